"""A relay between a client and the server that notes each octet that passes, so that tests can compare what was said."""

from __future__ import annotations

import contextlib
import itertools
import select
import socket
import threading
from typing import Self

SECONDS = 60
CLIENT, SERVER = b"C: ", b"S: "  # as the RFCs' examples name who says what


class Conversation:
    """One connection: what passed through it, in its order."""

    def __init__(self) -> None:
        self._parts: list[tuple[bytes, bytes]] = []  # who, and what
        self.ended = threading.Event()

    def add(self, who: bytes, data: bytes) -> None:
        """Note what one side said."""
        self._parts.append((who, data))

    def said(self, who: bytes) -> bytes:
        """All that one side said."""
        return b"".join(data for speaker, data in self._parts if speaker == who)

    def lines(self) -> list[bytes]:
        """The conversation as the RFCs write it, "C: " or "S: " before each line, and a comment behind one without CRLF.

        The order is certain if the client waits for each reply. If it pipelines, compare what each side said.
        """
        lines = []
        for who, parts in itertools.groupby(self._parts, lambda part: part[0]):
            *complete, rest = b"".join(data for _, data in parts).split(b"\r\n")
            lines += [who + line for line in complete]
            if rest:
                lines.append(who + rest + b" (without CRLF)")
        return lines


class Recorder:
    """Listens on a port of its own and relays each connection to `port`; a context manager, which ends its threads."""

    def __init__(self, port: int, host: str = "127.0.0.1") -> None:
        self._server = (host, port)
        self._conversations: list[Conversation] = []
        self._threads: list[threading.Thread] = []
        self._stop = threading.Event()
        self._listening = socket.create_server((host, 0))
        self._listening.settimeout(0.05)
        self.port: int = self._listening.getsockname()[1]
        self._accepts = threading.Thread(target=self._accept)
        self._accepts.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: object, error: BaseException | None, traceback: object) -> None:
        self._stop.set()
        self._accepts.join(SECONDS)
        for thread in self._threads:
            thread.join(SECONDS)
        self._listening.close()
        if error is not None:
            for number, conversation in enumerate(self._conversations, 1):
                for line in conversation.lines()[:100]:
                    error.add_note(f"{number} {line[:400]!r}")

    def conversations(self) -> list[Conversation]:
        """All of them, once they have ended; AssertionError if one does not."""
        for conversation in self._conversations:
            assert conversation.ended.wait(SECONDS), "a connection did not end"
        return list(self._conversations)

    def only(self) -> Conversation:
        """The one there was; AssertionError if there was another number of them."""
        (conversation,) = self.conversations()
        return conversation

    def _accept(self) -> None:
        while not self._stop.is_set():
            try:
                client, _ = self._listening.accept()
            except TimeoutError:
                continue
            conversation = Conversation()
            self._conversations.append(conversation)
            thread = threading.Thread(target=self._connect, args=(client, conversation))
            self._threads.append(thread)
            thread.start()

    def _connect(self, client: socket.socket, conversation: Conversation) -> None:
        try:
            with client, socket.create_connection(self._server, SECONDS) as server:
                self._relay(client, server, conversation)
        finally:
            conversation.ended.set()

    def _relay(self, client: socket.socket, server: socket.socket, conversation: Conversation) -> None:
        """Until both sides have closed: a side that closes may still be sent something, and what it does not take is noted."""
        ways = {client: (CLIENT, server), server: (SERVER, client)}
        while ways and not self._stop.is_set():
            ready, _, _ = select.select(list(ways), [], [], 0.05)
            for source in ready:
                who, destination = ways[source]
                try:
                    data = source.recv(1 << 18)
                except ConnectionResetError:
                    data = b""
                with contextlib.suppress(OSError):  # it has gone; what the other one says is noted all the same
                    if data:
                        conversation.add(who, data)
                        destination.sendall(data)
                    else:
                        del ways[source]
                        destination.shutdown(socket.SHUT_WR)

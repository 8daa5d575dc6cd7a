"""The TRANSACTION state, RFC 1939 section 5 (and 7 for TOP and UIDL; RFC 1460 for LAST), as C popa3d serves it.

Runs as: the mailbox owner.
Trusts: nobody; a client is only shown its own mailbox, and numbers are checked before they are used.
"""

from ...shared import commands, replies
from ...shared.connection import Client
from ...shared.limits import PREPARED_OCTETS
from ..index import unique_id
from ..mailbox.file import InUse
from ..mailbox.maildrop import Maildrop
from .sending import Sender

TYPE_CHECKING = False  # the typing module would cost start-up time
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

_LINES = 2000  # of LIST and UIDL at once


class Transaction:
    """The state: what is marked deleted, and what that leaves."""

    def __init__(self, client: Client, maildrop: Maildrop, octets: int, removes: "Callable[[], bool]") -> None:
        """octets: of all messages together. removes: loads what removes messages; whether it could, and may be used."""
        self.client = client
        self.maildrop = maildrop
        self.octets = octets
        self.deleted = bytearray(len(maildrop.index))
        self.left = len(maildrop.index)
        self.left_octets = octets
        self.last = 0
        self.quit = False
        self._next = -1  # the message that is probably asked for next,
        self._prepared: bytes | None = None  # and the reply to that, if nobody has written to the mailbox meanwhile
        self._load_removal = removes
        self._removes: bool | None = None  # what that said
        client.idle = self._prepare

    def serve(self) -> None:
        """Answer commands until QUIT (then `quit` is true) or the end of the connection. Raises Changed or OSError."""
        while not self.quit:
            line = self.client.line()
            if line is None:
                return
            command = commands.command(line)
            if command is None:
                self.client.put(replies.INVALID)
                continue
            handler, wanted = _COMMANDS.get(command.keyword, _UNKNOWN)
            arguments = self._arguments(command.arguments, wanted)
            self.client.put(handler(self, *arguments) if isinstance(arguments, list) else arguments)

    def _arguments(self, words: list[bytes], wanted: str) -> list[int] | bytes:
        """The numbers that `words` are, or a reply that refuses them. wanted: see _COMMANDS."""
        if len(words) != len(wanted) and (words or wanted != "?"):
            return replies.INVALID
        numbers = []
        for word, kind in zip(words, wanted, strict=False):
            number = commands.number(word)
            if number is None:
                return replies.INVALID
            if kind != "n":
                if not 0 < number <= len(self.deleted) or self.deleted[number - 1]:
                    return replies.NO_SUCH_MESSAGE
                number -= 1
            numbers.append(number)
        return numbers

    # Handlers: what they return is the (rest of the) reply. Messages count from 0 here.

    def _stat(self) -> bytes:
        return b"+OK %d %d\r\n" % (self.left, self.left_octets)

    def _list(self, i: int = -1) -> bytes:
        octets = self.maildrop.index.octets
        if i >= 0:
            return b"+OK %d %d\r\n" % (i + 1, octets[i])
        return self._all(lambda first, end: octets[first:end])

    def _uidl(self, i: int = -1) -> bytes:
        ids = self.maildrop.index.ids
        if i >= 0:
            return b"+OK %d %s\r\n" % (i + 1, unique_id.texts(ids, i, i + 1)[0].encode())
        return self._all(lambda first, end: unique_id.texts(ids, first, end))

    def _all(self, values: "Callable[[int, int], Iterable[object]]") -> bytes:
        """A line for each message that is not deleted; values: from a first message to before another, what is in theirs."""
        self.client.put(replies.OK)
        for first in range(0, len(self.deleted), _LINES):
            gone = self.deleted[first : first + _LINES]
            numbered = enumerate(zip(values(first, first + len(gone)), gone, strict=True), first + 1)
            text = "".join([f"{number} {value}\r\n" for number, (value, deleted) in numbered if not deleted])
            self.client.put(text.encode())
        return replies.END

    def _retr(self, i: int) -> bytes:
        prepared = self._prepared if i == self._next else None
        self._next, self._prepared = i + 1, None
        reply = prepared if prepared is not None and self.maildrop.is_untouched() else self._send(i, Sender())
        if reply is not replies.IN_USE:
            self.last = max(self.last, i + 1)
        return reply

    def _prepare(self) -> None:
        """While the client reads a message: most ask for the next one then. Large ones are not worth it."""
        i = self._next
        if self._prepared is None and 0 < i < len(self.deleted):
            octets = self.maildrop.index.end[i] - self.maildrop.index.content[i]
            if octets <= PREPARED_OCTETS:
                try:
                    block = self.maildrop.unchecked(i)
                except OSError:
                    return  # it will be said when it is asked for
                if len(block) == octets:
                    sender = Sender()
                    self._prepared = b"".join((replies.OK, sender.block(block), sender.end(), replies.END))

    def _top(self, i: int, lines: int) -> bytes:
        return self._send(i, Sender(lines))

    def _send(self, i: int, sender: Sender) -> bytes:
        self._prepared = None  # it is right only if nobody has looked again since it was read
        index, put = self.maildrop.index, self.client.put
        octets = index.end[i] - index.content[i]
        try:
            block = self.maildrop.content(i)
        except InUse:
            return replies.IN_USE
        put(replies.OK)
        put(sender.block(block))
        place = len(block)
        while place < octets and not sender.done and not self.client.ended:
            block = self.maildrop.content(i, place)
            put(sender.block(block))
            place += len(block)
        put(sender.end())
        return replies.END

    def _dele(self, i: int) -> bytes:
        if self._removes is None:
            self._removes = self._load_removal()
        if not self._removes:
            return replies.UNAVAILABLE
        self.deleted[i] = 1
        self.left -= 1
        self.left_octets -= self.maildrop.index.octets[i]
        self.last = max(self.last, i + 1)
        return replies.OK

    def _rset(self) -> bytes:
        self.deleted = bytearray(len(self.deleted))
        self.left = len(self.deleted)
        self.left_octets = self.octets
        self.last = 0
        return replies.OK

    def _last(self) -> bytes:
        return b"+OK %d\r\n" % self.last

    def _noop(self) -> bytes:
        return replies.OK

    def _quit(self) -> bytes:
        self.quit = True
        return b""  # what is said depends on UPDATE

    def _unknown(self) -> bytes:
        return replies.INVALID


# The TRANSACTION state: keyword -> handler and its arguments: "m" a message that is there and not deleted, "n" any
# number, "?" a message or nothing. Whatever is not here is invalid, and the client may go on.
_UNKNOWN: "tuple[Callable[..., bytes], str]" = (Transaction._unknown, "")
_COMMANDS: "dict[bytes, tuple[Callable[..., bytes], str]]" = {
    b"STAT": (Transaction._stat, ""),
    b"LIST": (Transaction._list, "?"),
    b"UIDL": (Transaction._uidl, "?"),
    b"RETR": (Transaction._retr, "m"),
    b"TOP": (Transaction._top, "mn"),
    b"DELE": (Transaction._dele, "m"),
    b"RSET": (Transaction._rset, ""),
    b"LAST": (Transaction._last, ""),
    b"NOOP": (Transaction._noop, ""),
    b"QUIT": (Transaction._quit, ""),
}

"""The AUTHORIZATION state, RFC 1939 section 4: USER, PASS and QUIT until there is one record for root.

Runs as: popa3d, chrooted to an empty directory, unable to start a process or to open a descriptor.
Trusts: nobody; nobody trusts it either: root checks every octet of its record.
"""

import posix as os  # as os, without its start-up time
import time

from ..shared import commands, record, replies
from ..shared.connection import EXPIRED, Client
from ..shared.limits import INVALID_COMMANDS

# What a handler returns besides a reply that goes on.
_PASS, _QUIT = b"PASS", b"QUIT"


class _State:
    """What USER left for PASS."""

    def __init__(self) -> None:
        self.user = b""
        self.password = b""


def _user(state: _State, arguments: list[bytes]) -> bytes:
    if len(arguments) != 1 or state.user:
        return replies.INVALID
    state.user = arguments[0]
    return replies.OK


def _pass(state: _State, arguments: list[bytes]) -> bytes:
    if len(arguments) != 1 or not state.user:
        return replies.INVALID
    state.password = arguments[0]
    return _PASS


def _quit(_state: _State, arguments: list[bytes]) -> bytes:
    return replies.INVALID if arguments else _QUIT


def _unknown(_state: _State, _arguments: list[bytes]) -> bytes:
    return replies.INVALID


# The AUTHORIZATION state: keyword -> handler. Whatever is not here is invalid, and the client may go on.
_COMMANDS = {b"USER": _user, b"PASS": _pass, b"QUIT": _quit}


def _talk(client: Client, deadline: float) -> bytes:
    """Serve the AUTHORIZATION state by `deadline` (time.monotonic) and return the record for root."""
    state = _State()
    invalid = 0
    client.put(replies.GREETING)
    while invalid < INVALID_COMMANDS:
        line = client.line(deadline)
        if line is None:
            return record.EXPIRED if client.ended == EXPIRED else record.LEFT
        command = commands.command(line)
        reply = replies.INVALID if command is None else _COMMANDS.get(command.keyword, _unknown)(state, command.arguments)
        if reply is _PASS:
            client.flush()
            return record.Login(state.user, state.password, client.rest()).encode()
        if reply is _QUIT:
            client.put(replies.OK)
            client.flush()
            return record.LEFT
        client.put(reply)
        invalid += reply is replies.INVALID
    client.put(replies.TOO_MANY_INVALID)
    client.flush()
    return record.INVALID


def run(pipe: int, timeout_s: int, login_timeout_s: int) -> None:
    """Serve descriptors 0 and 1, then write one record into `pipe`. The caller ends the process."""
    deadline = time.monotonic() + login_timeout_s
    os.write(pipe, _talk(Client(b"", min(timeout_s, login_timeout_s)), deadline))

"""The AUTHORIZATION state, RFC 1939 section 4, as a state machine: a line goes in, a reply and an event come out.

It has no socket, no clock and no process: preauth.loop has those.

Runs as: popa3d, chrooted to an empty directory, unable to start a process or to open a descriptor.
Trusts: nobody.
"""

from ..shared import commands, replies
from ..shared.limits import INVALID_COMMANDS

TYPE_CHECKING = False  # the typing module would cost start-up time
if TYPE_CHECKING:
    from collections.abc import Callable

    Answer = tuple[bytes, str]  # the reply (empty: none yet), and an event

# Events: what happens once the reply is sent. After all but GO_ON the machine takes no more lines.
GO_ON = "go on"  # the next line is read
LOGIN = "login"  # root is given `user` and `password`, and replies to PASS
QUIT = "quit"
TOO_MANY_INVALID = "too many invalid commands"

# States.
_NAMELESS = "nameless"  # there was no USER yet
_NAMED = "named"  # there was one; its name stays, as in C popa3d


class Authorization:
    """The machine. `user` and `password` are what the client has said so far; both are there at LOGIN."""

    def __init__(self) -> None:
        self.user = b""
        self.password = b""
        self._state = _NAMELESS
        self._invalid = 0

    def receive(self, line: bytes) -> "Answer":
        """The reply to a line (without its line end), and an event."""
        command = commands.parse(line)
        if command is None:
            return self._refuse()
        handler = _COMMANDS[self._state].get(command.keyword, Authorization._unknown)
        return handler(self, command.arguments)

    def _refuse(self) -> "Answer":
        """The answer to a line that is no valid command here; the client may go on, but not for ever."""
        self._invalid += 1
        if self._invalid < INVALID_COMMANDS:
            return replies.INVALID, GO_ON
        return replies.INVALID + replies.TOO_MANY_INVALID, TOO_MANY_INVALID

    # Handlers of commands.

    def _user(self, arguments: list[bytes]) -> "Answer":
        if len(arguments) != 1:
            return self._refuse()
        self.user = arguments[0]
        self._state = _NAMED
        return replies.OK, GO_ON

    def _pass(self, arguments: list[bytes]) -> "Answer":
        if len(arguments) != 1:
            return self._refuse()
        self.password = arguments[0]
        return b"", LOGIN

    def _quit(self, arguments: list[bytes]) -> "Answer":
        if arguments:
            return self._refuse()
        return replies.OK, QUIT

    def _unknown(self, _arguments: list[bytes]) -> "Answer":
        return self._refuse()


# The state table: state -> keyword -> handler; what is not there goes to `_unknown`. To allow a command, add its row to each
# state that it is valid in. A state whose lines are no commands (what answers a SASL challenge) needs no rows, but a branch
# in `receive`, before the line is parsed.
_COMMANDS: "dict[str, dict[bytes, Callable[[Authorization, list[bytes]], Answer]]]" = {
    _NAMELESS: {
        b"USER": Authorization._user,
        b"QUIT": Authorization._quit,
    },
    _NAMED: {
        b"PASS": Authorization._pass,
        b"QUIT": Authorization._quit,
    },
}

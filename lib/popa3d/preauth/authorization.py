"""The AUTHORIZATION state, RFC 1939 section 4, RFC 2449, 2595 and 5034, as a state machine: a line in, a reply and an event out.

It has no socket, no clock and no process: preauth.loop has those.

Runs as: popa3d, chrooted to an empty directory, unable to start a process or to open a descriptor.
Trusts: nobody.
"""

from ..shared import capabilities, commands, record, replies
from ..shared.limits import INVALID_COMMANDS, LOGIN_LINES, SASL_OCTETS
from . import sasl

TYPE_CHECKING = False  # the typing module would cost start-up time
if TYPE_CHECKING:
    from collections.abc import Callable

    Answer = tuple[bytes, str]  # the reply (empty: none yet), and an event

# Events: what happens once the reply is sent. After all but GO_ON the machine takes no more lines.
GO_ON = "go on"  # the next line is read
LOGIN = "login"  # root is given `user` and `password`, and replies to PASS or AUTH
QUIT = "quit"
TOO_MANY = "too many"  # commands without a login
NOT_ANOTHER = "not another"  # AUTH was to log in one user as another
START_TLS = "start TLS"  # the TLS process replies, and a machine of its own goes on

# States.
_NAMELESS = "nameless"  # there was no USER yet
_NAMED = "named"  # there was one; its name stays, as in C popa3d


class Authorization:
    """The machine. `user` and `password` are what the client has said so far; both are there at LOGIN."""

    def __init__(self, offer: capabilities.Offer) -> None:
        self._offer = offer
        self.user = b""
        self.password = b""
        self._state = _NAMELESS
        self._challenged = False  # AUTH has asked for a response: the next line is no command
        self._lines = 0
        self._invalid = 0

    def receive(self, line: bytes) -> "Answer":
        """The reply to a line (without its line end), and an event."""
        self._lines += 1
        if self._lines > LOGIN_LINES:
            return replies.TOO_MANY, TOO_MANY
        if self._challenged:
            self._challenged = False
            return self._response(line)
        command = commands.parse(line)
        if command is None:
            return self._refuse(replies.TOO_LONG if commands.is_too_long(line) else replies.INVALID)
        handler = _COMMANDS[self._state].get(command.keyword, Authorization._unknown)
        return handler(self, command.arguments)

    def _refuse(self, reply: bytes = replies.INVALID) -> "Answer":
        """The answer to a line that cannot be used here; the client may go on, but not for ever."""
        self._invalid += 1
        if self._invalid < INVALID_COMMANDS:
            return reply, GO_ON
        return reply + replies.TOO_MANY, TOO_MANY

    # Handlers of commands.

    def _user(self, arguments: list[bytes]) -> "Answer":
        if not self._offer.logins:
            return self._refuse(replies.TLS_IS_NEEDED)
        if len(arguments) != 1:
            return self._refuse()
        if not record.is_name(arguments[0]):
            return self._refuse(replies.UNUSABLE)
        self.user = arguments[0]
        self._state = _NAMED
        return replies.OK, GO_ON

    def _pass(self, arguments: list[bytes]) -> "Answer":
        if len(arguments) != 1:
            return self._refuse()
        if not record.is_password(arguments[0]):
            return self._refuse(replies.UNUSABLE)
        self.password = arguments[0]
        return b"", LOGIN

    def _auth(self, arguments: list[bytes]) -> "Answer":
        if not arguments:
            return replies.MECHANISMS if self._offer.logins else replies.NO_MECHANISMS, GO_ON
        if not self._offer.logins:
            return self._refuse(replies.TLS_IS_NEEDED)
        mechanism, _, response = arguments[0].partition(b" ")
        if mechanism.upper() != b"PLAIN":
            return self._refuse(replies.NO_SUCH_MECHANISM)
        if not response:
            self._challenged = True
            return replies.CHALLENGE, GO_ON
        return self._response(b"" if response == b"=" else response)  # RFC 5034 section 4: "=" is an empty response

    def _response(self, line: bytes) -> "Answer":
        """The answer to the response of a client that logs in by PLAIN."""
        if line == b"*":
            return self._refuse(replies.CANCELLED)
        message = sasl.decode(line) if len(line) <= SASL_OCTETS else None
        parts = sasl.plain(message) if message is not None else None
        if parts is None:
            return self._refuse(replies.MALFORMED)
        identity, user, password = parts
        if not record.is_name(user) or not record.is_password(password):
            return self._refuse(replies.UNUSABLE)
        if identity not in (b"", user):
            return replies.NOT_ANOTHER, NOT_ANOTHER
        self.user, self.password = user, password
        return b"", LOGIN

    def _capa(self, arguments: list[bytes]) -> "Answer":
        if arguments:
            return self._refuse()
        return capabilities.listing(self._offer), GO_ON

    def _stls(self, arguments: list[bytes]) -> "Answer":
        if arguments:
            return self._refuse()
        if self._offer.tls:
            return self._refuse(replies.TLS_IS_ACTIVE)
        return (b"", START_TLS) if self._offer.stls else self._refuse()

    def _quit(self, arguments: list[bytes]) -> "Answer":
        if arguments:
            return self._refuse()
        return replies.OK, QUIT

    def _unknown(self, _arguments: list[bytes]) -> "Answer":
        return self._refuse()


# The state table: state -> keyword -> handler; what is not there goes to `_unknown`. To allow a command, add its row to each
# state that it is valid in. The line behind a challenge is no command, so it comes before the table.
_COMMANDS: "dict[str, dict[bytes, Callable[[Authorization, list[bytes]], Answer]]]" = {
    _NAMELESS: {
        b"CAPA": Authorization._capa,
        b"STLS": Authorization._stls,
        b"USER": Authorization._user,
        b"AUTH": Authorization._auth,
        b"QUIT": Authorization._quit,
    },
    _NAMED: {
        b"CAPA": Authorization._capa,
        b"STLS": Authorization._stls,
        b"PASS": Authorization._pass,
        b"AUTH": Authorization._auth,
        b"QUIT": Authorization._quit,
    },
}

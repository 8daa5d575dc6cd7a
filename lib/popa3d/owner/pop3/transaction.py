"""The TRANSACTION state, RFC 1939 section 5 (7 for TOP and UIDL; RFC 1460 for LAST; RFC 2449 for CAPA), as C popa3d serves it.

A state machine: a line goes in, the blocks of a reply and an event come out. It reads the maildrop, but has no connection
and no clock: pop3.loop has the first.

Runs as: the mailbox owner.
Trusts: nobody; a client is only shown its own mailbox, and numbers are checked before they are used.
"""

from ...shared import capabilities, commands, replies
from ...shared.limits import LISTED_MESSAGES, PREPARED_OCTETS
from ..mailbox import InUse
from ..mailbox.maildrop import Maildrop
from .sending import Sender

TYPE_CHECKING = False  # the typing module would cost start-up time
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    # A reply in blocks, which are read from the mailbox as they are taken.
    Blocks = Iterable[bytes]

# Events: what happens once the reply is sent.
GO_ON = "go on"  # the next line is read
QUIT = "quit"  # UPDATE, and its reply

# What becomes of a command's arguments.
_VALID = "valid"
_INVALID = "invalid"
_NO_SUCH_MESSAGE = "no such message"


class Transaction:
    """The machine. `deleted` has 1 for each message that is marked as deleted; `left` and `left_octets` are what that leaves.

    `octets` is the size of all messages together, as sent. `retrieved` counts the replies to RETR that have a message.
    """

    def __init__(self, maildrop: Maildrop, octets: int, load_removal: "Callable[[], bool]") -> None:
        """octets: see above. load_removal: loads what removes messages, at a first DELE; if it returns False, none are."""
        self.octets = octets
        self.deleted = bytearray(len(maildrop.index))
        self.left = len(maildrop.index)
        self.left_octets = octets
        self.retrieved = 0
        self._maildrop = maildrop
        self._highest = 0  # LAST: the highest number of a message that was read or deleted
        self._next = -1  # the message that is probably asked for next,
        self._prepared: bytes | None = None  # and the reply to that, if nobody has written to the mailbox meanwhile
        self._load_removal = load_removal
        self._can_remove: bool | None = None  # what that has returned

    def receive(self, line: bytes) -> "tuple[Blocks, str]":
        """The blocks of the reply to a line (without its line end), and an event.

        Take all blocks before the next line is received. This and taking blocks raise Changed or OSError, taking them also
        InUse in the middle of a message: then the machine is of no use any more.
        """
        command = commands.parse(line)
        if command is None:
            return (replies.TOO_LONG if commands.is_too_long(line) else replies.INVALID,), GO_ON
        handler, kinds, event = _COMMANDS.get(command.keyword, _UNKNOWN)
        verdict, numbers = self._numbers(command.arguments, kinds)
        if verdict != _VALID:
            return _REFUSALS[verdict], GO_ON
        try:
            return handler(self, *numbers), event
        except InUse:
            return (replies.IN_USE,), GO_ON  # nothing of the message was sent yet

    def prepare(self) -> None:
        """Make the reply to the next RETR while the client reads the last one, unless the message is large.

        Most clients ask for the next message then. The reply is right only if nobody writes to the mailbox until they do.
        """
        i = self._next
        if self._prepared is not None or not 0 < i < len(self.deleted):
            return
        octets = self._stored_octets(i)
        if octets > PREPARED_OCTETS:
            return
        try:
            block = self._maildrop.unchecked(i)
        except OSError:
            return  # the client will be told when it asks for the message
        if len(block) == octets:
            sender = Sender()
            self._prepared = b"".join((replies.OK, sender.encode(block), sender.finish(), replies.END))

    def _stored_octets(self, i: int) -> int:
        """How many octets a message has in the mailbox; as sent it may have more."""
        return self._maildrop.index.end[i] - self._maildrop.index.content[i]

    def _numbers(self, words: list[bytes], kinds: str) -> tuple[str, list[int]]:
        """(verdict, numbers): whether `words` are arguments of these kinds (see _COMMANDS), and their numbers if they are.

        As in C popa3d they are judged in their order. Messages count from 0 in the numbers, from 1 in the words.
        """
        numbers: list[int] = []
        if len(words) != len(kinds) and (words or kinds != "?"):
            return _INVALID, numbers
        for word, kind in zip(words, kinds, strict=False):
            number = commands.parse_number(word)
            if number is None:
                return _INVALID, numbers
            if kind != "n":
                if not 0 < number <= len(self.deleted) or self.deleted[number - 1]:
                    return _NO_SUCH_MESSAGE, numbers
                number -= 1
            numbers.append(number)
        return _VALID, numbers

    # Handlers of commands. They return the reply's blocks. Messages count from 0 here.

    def _stat(self) -> "Blocks":
        return (b"+OK %d %d\r\n" % (self.left, self.left_octets),)

    def _list(self, i: int = -1) -> "Blocks":
        octets = self._maildrop.index.octets
        if i >= 0:
            return (b"+OK %d %d\r\n" % (i + 1, octets[i]),)
        return self._listing(lambda first, end: octets[first:end])

    def _uidl(self, i: int = -1) -> "Blocks":
        if i >= 0:
            return (b"+OK %d %s\r\n" % (i + 1, self._maildrop.unique_ids(i, i + 1)[0].encode()),)
        return self._listing(self._maildrop.unique_ids)

    def _listing(self, values: "Callable[[int, int], Iterable[object]]") -> "Blocks":
        """A line for each message that is not marked. values(first, end): those of messages first to end - 1."""
        yield replies.OK
        for first in range(0, len(self.deleted), LISTED_MESSAGES):
            marks = self.deleted[first : first + LISTED_MESSAGES]
            numbered = enumerate(zip(values(first, first + len(marks)), marks, strict=True), first + 1)
            text = "".join([f"{number} {value}\r\n" for number, (value, deleted) in numbered if not deleted])
            yield text.encode()
        yield replies.END

    def _retr(self, i: int) -> "Blocks":
        prepared = self._prepared if i == self._next else None
        self._next, self._prepared = i + 1, None
        blocks = (prepared,) if prepared is not None and self._maildrop.is_untouched() else self._message(i, Sender())
        self._highest = max(self._highest, i + 1)
        self.retrieved += 1
        return blocks

    def _top(self, i: int, lines: int) -> "Blocks":
        return self._message(i, Sender(lines))

    def _message(self, i: int, sender: Sender) -> "Blocks":
        """The reply with message `i`. Its first block is read at once, so that InUse is raised before +OK is sent."""
        self._prepared = None  # it is right only if nobody has looked again since it was read
        return self._message_blocks(i, sender, self._maildrop.content(i))

    def _message_blocks(self, i: int, sender: Sender, first_block: bytes) -> "Blocks":
        """The blocks of that reply, read as they are taken, and no further than `sender` needs."""
        octets = self._stored_octets(i)
        yield replies.OK
        yield sender.encode(first_block)
        offset = len(first_block)
        while offset < octets and not sender.done:
            block = self._maildrop.content(i, offset)
            yield sender.encode(block)
            offset += len(block)
        yield sender.finish()
        yield replies.END

    def _dele(self, i: int) -> "Blocks":
        if self._can_remove is None:
            self._can_remove = self._load_removal()
        if not self._can_remove:
            return (replies.UNAVAILABLE,)
        self.deleted[i] = 1
        self.left -= 1
        self.left_octets -= self._maildrop.index.octets[i]
        self._highest = max(self._highest, i + 1)
        return (replies.OK,)

    def _rset(self) -> "Blocks":
        self.deleted = bytearray(len(self.deleted))
        self.left = len(self.deleted)
        self.left_octets = self.octets
        self._highest = 0
        return (replies.OK,)

    def _last(self) -> "Blocks":
        return (b"+OK %d\r\n" % self._highest,)

    def _noop(self) -> "Blocks":
        return (replies.OK,)

    def _capa(self) -> "Blocks":
        return (capabilities.LIST,)

    def _quit(self) -> "Blocks":
        return ()  # what is said depends on UPDATE

    def _unknown(self) -> "Blocks":
        return (replies.INVALID,)


_REFUSALS = {_INVALID: (replies.INVALID,), _NO_SUCH_MESSAGE: (replies.NO_SUCH_MESSAGE,)}

# The command table: keyword -> handler, kinds of its arguments, event once its reply is sent. Kinds: "m" is a message that is
# there and not marked, "n" any number, "?" a message or nothing. A keyword without a row is _UNKNOWN: invalid, and the client
# may go on. There is one state. To add a command, add its row and its handler.
_UNKNOWN: "tuple[Callable[..., Blocks], str, str]" = (Transaction._unknown, "", GO_ON)
_COMMANDS: "dict[bytes, tuple[Callable[..., Blocks], str, str]]" = {
    b"STAT": (Transaction._stat, "", GO_ON),
    b"LIST": (Transaction._list, "?", GO_ON),
    b"UIDL": (Transaction._uidl, "?", GO_ON),
    b"RETR": (Transaction._retr, "m", GO_ON),
    b"TOP": (Transaction._top, "mn", GO_ON),
    b"DELE": (Transaction._dele, "m", GO_ON),
    b"RSET": (Transaction._rset, "", GO_ON),
    b"LAST": (Transaction._last, "", GO_ON),
    b"NOOP": (Transaction._noop, "", GO_ON),
    b"CAPA": (Transaction._capa, "", GO_ON),
    b"QUIT": (Transaction._quit, "", QUIT),
}

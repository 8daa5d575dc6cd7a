"""The two records between processes: the pre-auth child's to root, and root's to the session of the mailbox owner.

A record is a tag, then fields, each a four-octet length and its octets, and nothing behind them.

Runs as: any uid.
Trusts: nobody; every length, count and value is checked before it is believed.
"""

from .limits import ARGUMENT_OCTETS, LOCKS, PASSWORD_OCTETS, READ_OCTETS

_LENGTH = 4

# Login ends in exactly one of these.
LOGIN = b"L"  # fields: user, password, what the client sent ahead
LEFT = b"Q"  # QUIT, or the client hung up
EXPIRED = b"T"  # LOGIN_TIMEOUT_S passed
INVALID = b"I"  # INVALID_COMMANDS were sent

LOGIN_RECORD_OCTETS = 1 + 3 * _LENGTH + ARGUMENT_OCTETS + PASSWORD_OCTETS + READ_OCTETS

_HANDOVER = b"H"
_RECOVERY = b"R"
HANDOVER_RECORD_OCTETS = 16 * 1024


def _encode(tag: bytes, fields: tuple[bytes, ...]) -> bytes:
    return tag + b"".join(len(field).to_bytes(_LENGTH, "big") + field for field in fields)


def _decode(record: bytes, count: int) -> list[bytes] | None:
    """The fields behind the tag if there are exactly `count`, else None."""
    fields = []
    place = 1
    for _ in range(count):
        start = place + _LENGTH
        place = start + int.from_bytes(record[place:start], "big")
        if start > len(record) or place > len(record):
            return None
        fields.append(record[start:place])
    return fields if place == len(record) else None


class Login:
    """Who says to be whom. It holds the password: it has no repr that could show it, and is not kept."""

    __slots__ = ("ahead", "password", "user")

    def __init__(self, user: bytes, password: bytes, ahead: bytes) -> None:
        self.user = user
        self.password = password
        self.ahead = ahead

    def encode(self) -> bytes:
        """The record LOGIN."""
        return _encode(LOGIN, (self.user, self.password, self.ahead))


def login(record: bytes) -> Login | None:
    """The Login in a record LOGIN, or None if a single octet of it is not as the pre-auth child would write it."""
    if record[:1] != LOGIN or len(record) > LOGIN_RECORD_OCTETS:
        return None
    fields = _decode(record, 3)
    if fields is None:
        return None
    user, password, ahead = fields
    if not 0 < len(user) <= ARGUMENT_OCTETS or b" " in user or b"\n" in user or b"\0" in user:
        return None
    if not 0 < len(password) <= PASSWORD_OCTETS or b"\n" in password or b"\0" in password:
        return None
    if len(ahead) > READ_OCTETS:
        return None
    return Login(user, password, ahead)


class Handover:
    """What the session of the mailbox owner is told. Paths and names are bytes as the system has them.

    uid: the owner's. path: the mailbox, absolute. state: the owner's state directory, or empty where there is none. locks:
    how the mailbox is locked, a comma between (params.LOCKS). peer: the client's address for the log. timeout_s: the idle
    limit. max_messages, max_octets: the mailbox's limits. ahead: what the client sent behind PASS. recovery: there is no
    client, only an update to finish (popa3d-recover). locker: descriptor 4 is root's locker, which makes the dot-lock.
    """

    __slots__ = (
        "ahead", "locker", "locks", "max_messages", "max_octets", "owner", "path", "peer", "recovery", "state", "timeout_s", "uid"
    )  # fmt: skip

    def __init__(
        self,
        owner: bytes,
        uid: int,
        path: bytes,
        state: bytes,
        locks: bytes,
        peer: bytes,
        timeout_s: int,
        max_messages: int,
        max_octets: int,
        ahead: bytes,
        recovery: bool = False,
        locker: bool = False,
    ) -> None:
        self.owner = owner
        self.uid = uid
        self.path = path
        self.state = state
        self.locks = locks
        self.peer = peer
        self.timeout_s = timeout_s
        self.max_messages = max_messages
        self.max_octets = max_octets
        self.ahead = ahead
        self.recovery = recovery
        self.locker = locker

    def encode(self) -> bytes:
        """The record, at most HANDOVER_RECORD_OCTETS long for every path that the kernel takes (PATH_MAX)."""
        numbers = b"%d %d %d %d %d" % (self.uid, self.timeout_s, self.max_messages, self.max_octets, self.locker)
        fields = (self.owner, self.path, self.state, self.locks, self.peer, numbers, self.ahead)
        return _encode(_RECOVERY if self.recovery else _HANDOVER, fields)


def handover(record: bytes) -> Handover | None:
    """The Handover in a record, or None if it is not one."""
    if record[:1] not in (_HANDOVER, _RECOVERY) or len(record) > HANDOVER_RECORD_OCTETS:
        return None
    fields = _decode(record, 7)
    if fields is None:
        return None
    owner, path, state, locks, peer, numbers, ahead = fields
    words = numbers.split(b" ")
    if len(words) != 5 or not all(word.isdigit() for word in words):
        return None
    if not path.startswith(b"/") or b"\0" in path + state or state[:1] not in (b"", b"/"):
        return None
    if not set(locks.decode("ascii", "replace").split(",")) <= set(LOCKS):
        return None
    uid, timeout_s, max_messages, max_octets, locker = map(int, words)
    recovery = record[:1] == _RECOVERY
    return Handover(
        owner, uid, path, state, locks, peer, timeout_s, max_messages, max_octets, ahead, recovery, bool(locker)
    )  # fmt: skip

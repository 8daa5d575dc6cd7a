"""The two records between processes: from the pre-auth child to root, and from root to the mailbox owner's program.

A record is a tag of one octet, then fields, and nothing behind them. A field is a length of four octets, then its content.

Runs as: any uid.
Trusts: nobody; every length, count and value is checked before it is believed.
"""

from .limits import LOCKS, NAME_OCTETS, PASSWORD_OCTETS, READ_OCTETS
from .settings import HANDED_OVER, Settings

TYPE_CHECKING = False  # the typing module would cost start-up time
if TYPE_CHECKING:
    from typing import Any

    from .settings import Setting

_LENGTH = 4

# The tags of the pre-auth child's record: AUTHORIZATION ends in exactly one of these.
LOGIN = b"L"  # fields: user, password, what the client sent ahead
LEFT = b"Q"  # QUIT, or the client hung up
EXPIRED = b"T"  # LOGIN_TIMEOUT_S passed
TOO_MANY = b"I"  # INVALID_COMMANDS or LOGIN_LINES were sent
START_TLS = b"S"  # STLS, and nothing behind it
INJECTED = b"B"  # STLS, and octets behind it
NOT_ANOTHER = b"A"  # somebody wanted to log in as another user

_CONTROLS = bytes(range(32)) + b"\x7f"

LOGIN_RECORD_OCTETS = 1 + 3 * _LENGTH + NAME_OCTETS + PASSWORD_OCTETS + READ_OCTETS

# What popa3d-migrate asks the owner's program for: to take the unique-ids of a server, or those of a list, or to undo that.
DOVECOT, UW, QPOPPER = SERVERS = ("dovecot", "uw", "qpopper")
FROM_LIST, UNDO = "list", "undo"
_MIGRATIONS = ("", *SERVERS, FROM_LIST, UNDO)
_DRY_RUN = b"-"  # before the word

_HANDOVER = b"H"
_RECOVERY = b"R"
_FIELDS = 10  # before the settings
_TARGETS = range(3)  # log.SYSTEM, STDERR and JOURNAL
HANDOVER_RECORD_OCTETS = 16 * 1024
_DIGITS = 19  # of 2**62, the greatest number of a setting


def _encode(tag: bytes, fields: tuple[bytes, ...]) -> bytes:
    return tag + b"".join(len(field).to_bytes(_LENGTH, "big") + field for field in fields)


def _decode(record: bytes, count: int) -> list[bytes] | None:
    """The fields behind the tag if there are exactly `count`, else None."""
    fields = []
    end = 1
    for _ in range(count):
        start = end + _LENGTH
        end = start + int.from_bytes(record[end:start], "big")
        if start > len(record) or end > len(record):
            return None
        fields.append(record[start:end])
    return fields if end == len(record) else None


def is_name(octets: bytes) -> bool:
    """Whether root may be asked to log in a user of this name: not every name of this form is an account's."""
    return 0 < len(octets) <= NAME_OCTETS and b" " not in octets and not _has_controls(octets)


def is_password(octets: bytes) -> bool:
    """Whether PAM may be asked about this password. Blanks and 8-bit octets may be anywhere, control characters nowhere."""
    return 0 < len(octets) <= PASSWORD_OCTETS and not _has_controls(octets)


def _has_controls(octets: bytes) -> bool:
    return octets.translate(None, _CONTROLS) != octets


class Login:
    """A user name and a password to check. No repr shows the password; root drops the object once PAM has answered.

    ahead: what the client sent behind its login.
    """

    __slots__ = ("ahead", "password", "user")

    def __init__(self, user: bytes, password: bytes, ahead: bytes) -> None:
        self.user = user
        self.password = password
        self.ahead = ahead

    def encode(self) -> bytes:
        """The record LOGIN."""
        return _encode(LOGIN, (self.user, self.password, self.ahead))


def decode_login(record: bytes) -> Login | None:
    """The Login in a record LOGIN, or None if a single octet of it is not as the pre-auth child would write it."""
    if record[:1] != LOGIN or len(record) > LOGIN_RECORD_OCTETS:
        return None
    fields = _decode(record, 3)
    if fields is None:
        return None
    user, password, ahead = fields
    if not is_name(user) or not is_password(password) or len(ahead) > READ_OCTETS:
        return None
    return Login(user, password, ahead)


class Handover:
    """What root tells the owner's program. Paths and names are bytes as the system has them.

    owner, uid: the account. path: the mailbox, absolute. state: the owner's state directory, or empty where there is none.
    peer: the client's address for the log. ahead: what the client sent behind its login. recovery: there is no client, only
    an update to finish (popa3d-recover). migration: one of the words above, for popa3d-migrate, or empty; dry_run: only say what
    would be done. locker: LOCKER_FD is root's locker, which makes the dot-lock. log: where the log goes, of log.SYSTEM and so on.
    started_ms: when the session did, by the monotonic clock. Besides, each of the settings HANDED_OVER is an attribute, as in
    Settings.
    """

    __slots__ = (
        "ahead", "dry_run", "locker", "log", "migration", "owner", "path", "peer", "recovery", "started_ms", "state", "uid",
        *(setting.key for setting in HANDED_OVER),
    )  # fmt: skip

    def __init__(
        self,
        owner: bytes,
        uid: int,
        path: bytes,
        state: bytes,
        peer: bytes,
        ahead: bytes,
        settings: Settings,
        recovery: bool = False,
        locker: bool = False,
        migration: str = "",
        dry_run: bool = False,
        log: int = 0,
        started_ms: int = 0,
    ) -> None:
        """settings: where those that are handed over are taken from."""
        self.owner = owner
        self.uid = uid
        self.path = path
        self.state = state
        self.peer = peer
        self.ahead = ahead
        self.recovery = recovery
        self.locker = locker
        self.migration = migration
        self.dry_run = dry_run
        self.log = log
        self.started_ms = started_ms
        for setting in HANDED_OVER:
            setattr(self, setting.key, getattr(settings, setting.key))

    if TYPE_CHECKING:  # the settings

        def __getattr__(self, key: str) -> Any: ...

    def encode(self) -> bytes:
        """The record, at most HANDOVER_RECORD_OCTETS long for every path that the kernel takes (PATH_MAX)."""
        task = (_DRY_RUN if self.dry_run else b"") + self.migration.encode()
        numbers = (b"%d" % self.locker, b"%d" % self.log, b"%d" % self.started_ms)
        fields = (self.owner, b"%d" % self.uid, self.path, self.state, self.peer, self.ahead, *numbers, task)
        settings = tuple(_written(getattr(self, setting.key)) for setting in HANDED_OVER)
        return _encode(_RECOVERY if self.recovery else _HANDOVER, fields + settings)


def decode_handover(record: bytes) -> Handover | None:
    """The Handover in a record, or None if a single octet of it is not as root would write it."""
    if record[:1] not in (_HANDOVER, _RECOVERY) or len(record) > HANDOVER_RECORD_OCTETS:
        return None
    fields = _decode(record, _FIELDS + len(HANDED_OVER))
    if fields is None:
        return None
    owner, uid, path, state, peer, ahead, locker, log, started_ms, task = fields[:_FIELDS]
    migration = task.removeprefix(_DRY_RUN).decode("ascii", "replace")
    if _number(uid) is None or _number(started_ms) is None or migration not in _MIGRATIONS:
        return None
    if _number(locker) not in (0, 1) or _number(log) not in _TARGETS:
        return None
    if not path.startswith(b"/") or b"\0" in path + state or state[:1] not in (b"", b"/"):
        return None
    settings = Settings()
    for setting, field in zip(HANDED_OVER, fields[_FIELDS:], strict=True):
        value = _value(setting, field)
        if value is None:
            return None
        setattr(settings, setting.key, value)
    recovery = record[:1] == _RECOVERY
    return Handover(
        owner, int(uid), path, state, peer, ahead, settings, recovery, locker == b"1", migration, task.startswith(_DRY_RUN),
        int(log), int(started_ms),
    )  # fmt: skip


def _written(value: "int | str | tuple[str, ...]") -> bytes:
    """A setting's field: a number in digits, a word, lock names with commas between them."""
    if isinstance(value, int):
        return b"%d" % value
    return value.encode() if isinstance(value, str) else ",".join(value).encode()


def _value(setting: "Setting", field: bytes) -> "int | str | tuple[str, ...] | None":
    """The value in a setting's field; None if it is not one that the setting can have."""
    if isinstance(setting.kind, tuple):
        least, most = setting.kind
        number = _number(field)
        return number if number is not None and least <= number <= most else None
    text = field.decode("ascii", "replace")
    if isinstance(setting.kind, list):
        return text if text in setting.kind else None
    names = tuple(text.split(","))
    return names if set(names) <= set(LOCKS) and len(set(names)) == len(names) else None


def _number(field: bytes) -> int | None:
    """The number in a field; None if it is not in digits as "%d" writes it, or has more of them than any number here."""
    if not field.isdigit() or len(field) > _DIGITS or (field[:1] == b"0" and field != b"0"):
        return None
    return int(field)

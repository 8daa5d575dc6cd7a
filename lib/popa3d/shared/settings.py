"""What the administrator can set: one table, which everything that deals with settings follows.

From TABLE come the keys that root/configuration.py accepts, the attributes of Settings, and what a handover record carries
of them to the owner's program (shared/record.py). A new number needs one row here and its text in popa3d.toml(5) and
packaging/popa3d.toml; a unit test compares the three.

Runs as: any uid (constants only).
Trusts: nothing.
"""

from .limits import BACKLOG, LOGIN_TIMEOUT_S, MAX_MESSAGES, MAX_OCTETS, MIN_DELAY_S, POP3S_PORT, SPARE, SPOOL, STATE, TIMEOUT_S

TYPE_CHECKING = False  # the typing module would cost start-up time
if TYPE_CHECKING:
    from typing import Any

    Kind = str | tuple[int, int] | list[str]

_DAY_S = 24 * 60 * 60
_SESSIONS_MOST = 100_000

# The kinds of setting that are not numbers. The first is true or false in the file, the next two are strings, the others lists
# of strings.
BOOLEAN = "boolean"
DIRECTORY = "directory"  # an absolute path, not below CHROOT
HOME_FILE = "home file"  # a path below the user's home directory; empty: the mailbox is in the spool
ADDRESSES = "addresses"  # numeric ones; none: all of the host
NETWORKS = "networks"  # numeric addresses, and networks as ADDRESS/BITS
LOCK_NAMES = "lock names"  # of LOCKS, in the order in which the locks are taken
DOMAINS = "domains"  # of e-mail addresses; ANY_DOMAIN stands for each
FILE = "file"  # an absolute path
LISTS = (ADDRESSES, NETWORKS, LOCK_NAMES, DOMAINS)

ANY_DOMAIN = "*"

# Who may log in without TLS where there is TLS: nobody, clients on the host itself, or everybody.
NEVER, LOCAL, ALWAYS = "never", "local", "always"

# Where the log goes, and the facilities that it may have: those of syslog(3) that are for services.
SYSLOG, STDERR = "syslog", "stderr"
FACILITIES = ["daemon", "mail", "auth", "authpriv", "user", *(f"local{number}" for number in range(8))]


class Setting:
    """One row of TABLE.

    table, key: where it stands in the file; the key is also the attribute of Settings. default: its value without the file.
    kind: one of the above, the least and the greatest number, or a list of words, one of which it is. handed_over: the
    owner's program gets it, too; that is possible for numbers, LOCK_NAMES and lists of words.
    """

    __slots__ = ("default", "handed_over", "key", "kind", "table")

    def __init__(self, table: str, key: str, default: object, kind: "Kind", handed_over: bool = False) -> None:
        self.table = table
        self.key = key
        self.default = default
        self.kind = kind
        self.handed_over = handed_over


# A default of 0 stands for "not set"; the comment says what holds then.
TABLE = (
    Setting("listen", "port", 0, (1, 65535)),  # the port of the service pop3, or POP3_PORT
    Setting("listen", "addresses", (), ADDRESSES),
    Setting("listen", "sessions", 0, (1, _SESSIONS_MOST)),  # SESSIONS with -D, else no limit
    Setting("listen", "sessions_per_source", 0, (1, _SESSIONS_MOST)),  # SESSIONS_PER_SOURCE with -D, else no limit
    Setting("listen", "unauthenticated", 0, (1, _SESSIONS_MOST)),  # half of the sessions, or UNAUTHENTICATED_FEW
    Setting("listen", "min_delay_s", MIN_DELAY_S, (0, _DAY_S)),
    Setting("listen", "backlog", BACKLOG, (1, 65535)),
    Setting("listen", "spare", SPARE, (0, 100)),
    Setting("listen", "tls_port", POP3S_PORT, (0, 65535)),  # 0: none
    Setting("listen", "proxies", (), NETWORKS),  # whose connections begin with a header of the PROXY protocol
    Setting("listen", "proxies_tls", False, BOOLEAN),  # their clients have TLS, whatever the header says
    Setting("tls", "certificate", "", FILE),  # without it there is no TLS
    Setting("tls", "key", "", FILE),
    Setting("tls", "plaintext_logins", LOCAL, [NEVER, LOCAL, ALWAYS]),
    Setting("tls", "minimum", "1.2", ["1.2", "1.3"]),
    Setting("session", "timeout_s", TIMEOUT_S, (1, _DAY_S), handed_over=True),
    Setting("session", "login_timeout_s", LOGIN_TIMEOUT_S, (1, _DAY_S)),
    Setting("login", "domains", (), DOMAINS),
    Setting("login", "lower_case", False, BOOLEAN),
    Setting("log", "to", "", [SYSLOG, STDERR]),  # STDERR with -F where there is no system log, else SYSLOG
    Setting("log", "facility", "daemon", FACILITIES, handed_over=True),
    Setting("mailbox", "spool", SPOOL, DIRECTORY),
    Setting("mailbox", "home_file", "", HOME_FILE),
    Setting("mailbox", "locks", ("fcntl",), LOCK_NAMES, handed_over=True),
    Setting("mailbox", "state", STATE, DIRECTORY),
    Setting("mailbox", "max_messages", MAX_MESSAGES, (1, MAX_MESSAGES), handed_over=True),  # indexes and journals hold no more
    Setting("mailbox", "max_octets", MAX_OCTETS, (1, 2**62), handed_over=True),
    Setting("sandbox", "require", False, BOOLEAN),
)

HANDED_OVER = tuple(setting for setting in TABLE if setting.handed_over)


class Settings:
    """The value of each setting, as an attribute named as its key: a number, True or False, a string or a tuple of strings."""

    def __init__(self) -> None:
        """All have their defaults."""
        for setting in TABLE:
            setattr(self, setting.key, setting.default)

    if TYPE_CHECKING:  # a unit test compares the names that the library uses with TABLE

        def __getattr__(self, key: str) -> Any: ...

        def __setattr__(self, key: str, value: Any) -> None: ...

"""What the server says, RFC 1939 section 3. Status and numbers are C popa3d's; the words after them are for people.

A response code in brackets tells clients what kind of failure it is: RFC 2449 section 8 and RFC 3206. No other reply begins
with a bracket. fetchmail goes by words instead: "lock" and "wait" mean a lock, "service" with "unavailable" a fault of the
host, and all else that the password was wrong.

Runs as: any uid.
Trusts: nobody; nothing that a client sent is ever part of a reply.
"""

GREETING = b"+OK popa3d ready\r\n"
OK = b"+OK\r\n"
END = b".\r\n"

# AUTH, RFC 5034: the empty challenge, with its blank; and the list that an AUTH without a mechanism asks for.
CHALLENGE = b"+ \r\n"
MECHANISMS = b"+OK mechanisms follow\r\nPLAIN\r\n.\r\n"
NO_MECHANISMS = b"+OK mechanisms follow\r\n.\r\n"
CANCELLED = b"-ERR authentication cancelled\r\n"
MALFORMED = b"-ERR malformed response\r\n"
NO_SUCH_MECHANISM = b"-ERR no such mechanism\r\n"

# STLS, RFC 2595 section 4.
TLS_STARTS = b"+OK begin TLS negotiation\r\n"
TLS_IS_ACTIVE = b"-ERR TLS is active already\r\n"
TLS_IS_NOT_POSSIBLE = b"-ERR [SYS/PERM] service unavailable: no TLS\r\n"
TLS_IS_NEEDED = b"-ERR [AUTH] use TLS to log in: STLS, or the port of POP3S\r\n"

# Commands that cannot be executed.
INVALID = b"-ERR invalid command\r\n"
TOO_LONG = b"-ERR line too long\r\n"
TOO_MANY = b"-ERR too many commands without a login\r\n"
NO_SUCH_MESSAGE = b"-ERR no such message\r\n"

# Credentials or an account that may not log in. The words of the first are C popa3d's only ones: kept, since people recognize
# them.
LOGIN_FAILED = b"-ERR [AUTH] Authentication failed (bad password?)\r\n"
UNUSABLE = b"-ERR [AUTH] no name or password is that long or has such characters\r\n"
NOT_ANOTHER = b"-ERR [AUTH] nobody may log in as another user\r\n"
PASSWORD_EXPIRED = b"-ERR [AUTH] your password has expired: change it on the host, then log in\r\n"
ACCOUNT_EXPIRED = b"-ERR [AUTH] your account has expired: ask the administrator of the host\r\n"
CLOSED = b"-ERR [AUTH] the host does not let this account in now: ask its administrator\r\n"
NOT_SERVED = b"-ERR [AUTH] this account cannot have mail sessions: ask the administrator of the host\r\n"

# Faults of the host: those that may pass by themselves, and those for which somebody must do something.
UNAVAILABLE = b"-ERR [SYS/TEMP] service temporarily unavailable\r\n"
MISCONFIGURED = b"-ERR [SYS/PERM] service unavailable: the host needs its administrator\r\n"
IN_USE = b"-ERR [IN-USE] mailbox is locked or in use by another program\r\n"
NOT_LOADED_NOW = b"-ERR [SYS/TEMP] service temporarily unavailable: mailbox cannot be loaded\r\n"
NOT_LOADED = b"-ERR [SYS/PERM] service unavailable: mailbox cannot be loaded\r\n"
NOT_UPDATED_NOW = b"-ERR [SYS/TEMP] deleted messages not removed\r\n"
NOT_UPDATED = b"-ERR [SYS/PERM] deleted messages not removed\r\n"

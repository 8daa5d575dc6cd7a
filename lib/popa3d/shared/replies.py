"""What the server says, RFC 1939 section 3. Status and numbers are C popa3d's; the words after them are for people.

Runs as: any uid.
Trusts: nobody; nothing that a client sent is ever part of a reply.
"""

GREETING = b"+OK popa3d ready\r\n"
OK = b"+OK\r\n"
END = b".\r\n"

# Why a login is refused. [AUTH] is about the credentials or the account, [SYS/TEMP] and [SYS/PERM] about the host (RFC 3206), and
# so clients know when to ask for another password. fetchmail goes by words: one that an account is refused with must not have
# "lock", "wait", or "service" together with "unavailable" in it, and those of the host should have the last two.
# The words of the first are C popa3d's only ones: kept, since people recognize them.
LOGIN_FAILED = b"-ERR [AUTH] Authentication failed (bad password?)\r\n"
PASSWORD_EXPIRED = b"-ERR [AUTH] your password has expired: change it on the host, then log in\r\n"
ACCOUNT_EXPIRED = b"-ERR [AUTH] your account has expired: ask the administrator of the host\r\n"
CLOSED = b"-ERR [AUTH] the host does not let this account in now: ask its administrator\r\n"
NOT_SERVED = b"-ERR [AUTH] this account cannot have mail sessions: ask the administrator of the host\r\n"
UNAVAILABLE = b"-ERR [SYS/TEMP] service temporarily unavailable\r\n"
MISCONFIGURED = b"-ERR [SYS/PERM] service unavailable: the host needs its administrator\r\n"

INVALID = b"-ERR invalid command\r\n"
TOO_MANY_INVALID = b"-ERR too many invalid commands\r\n"
NO_SUCH_MESSAGE = b"-ERR no such message\r\n"
NOT_LOADED = b"-ERR mailbox cannot be loaded\r\n"
IN_USE = b"-ERR [IN-USE] mailbox is in use by another program\r\n"
NOT_UPDATED = b"-ERR deleted messages not removed\r\n"

"""What the server says, RFC 1939 section 3. Status and numbers are C popa3d's; the words after them are for people.

Runs as: any uid.
Trusts: nobody; nothing that a client sent is ever part of a reply.
"""

GREETING = b"+OK popa3d ready\r\n"
OK = b"+OK\r\n"
END = b".\r\n"

# C popa3d's only reply with words: kept, since people recognize it.
LOGIN_FAILED = b"-ERR Authentication failed (bad password?)\r\n"

INVALID = b"-ERR invalid command\r\n"
TOO_MANY_INVALID = b"-ERR too many invalid commands\r\n"
NO_SUCH_MESSAGE = b"-ERR no such message\r\n"
NOT_LOADED = b"-ERR mailbox cannot be loaded\r\n"
IN_USE = b"-ERR [IN-USE] mailbox is in use by another program\r\n"
NOT_UPDATED = b"-ERR deleted messages not removed\r\n"
UNAVAILABLE = b"-ERR temporarily unavailable\r\n"

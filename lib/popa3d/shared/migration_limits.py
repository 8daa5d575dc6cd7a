"""The limits of popa3d-migrate and of the unique-ids that it takes over, each with its reason: limits.py has no room for them.

Runs as: any uid (constants only).
Trusts: nothing.
"""

# RFC 1939 section 7: a unique-id has 1 to 70 octets, each in the range 0x21 to 0x7E.
UNIQUE_ID_OCTETS = 70

# The largest file that --from-list takes: UIDL and LIST of 300,000 messages.
LIST_OCTETS = 16 * 1024 * 1024

# How much of a message is looked at for the fields of its header: that of Dovecot or UW is at most one read.
HEADER_OCTETS = 256 * 1024

# The most that is printed of what a user's program says, which fits a pipe: it need not be read before the program ends. And how
# many messages that program names.
REPORT_OCTETS = 4096
FAULTS = 20

# How each line of it begins: what is done goes to standard output, and the rest to standard error.
RESULT, FAULT = "+", "-"

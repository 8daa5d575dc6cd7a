"""Limits of popa3d -D alone, each with its reason; those that can be set are in shared/settings.py.

Runs as: root, only with -D. (Constants only.)
Trusts: nothing.
"""

# Half of all sessions, but at least UNAUTHENTICATED_FEW, may belong to clients that have not logged in; so these never shut
# out clients that have. When half of that number is reached, one source may have no more than UNAUTHENTICATED_SHARE of it, or
# UNAUTHENTICATED_LEAST if that is more; an IPv6 /56 twice as many, a /48 or an IPv4 /24 four times as many. From there on,
# but not below UNAUTHENTICATED_FEW, newcomers are also refused at random, as OpenSSH's MaxStartups does.
UNAUTHENTICATED_SHARE = 1 / 50
UNAUTHENTICATED_LEAST = 5
UNAUTHENTICATED_FEW = 25

# Refusals that are remembered, so that each is logged once in MIN_DELAY_S. Beyond this many, a flood comes from many sources,
# and further ones are not logged.
REFUSALS = 1024

# Connections that are accepted in a row before the listener looks at its signals and children again.
ACCEPTED_AT_ONCE = 32

# Lines of the listener that may wait for the log, and how long one may take before the log daemon counts as stuck.
LOG_LINES = 1024
LOG_S = 5

# How long the listener accepts nothing when the system is out of descriptors, memory or processes.
PAUSE_S = 1.0

# How long a reload waits until what it has closed is free: a child that was just forked has the socket, too, until it has begun.
FREED_S = 1.0

LIBWRAP = "libwrap.so.0"

# hosts.allow and hosts.deny are looked through for rules up to this size; with more of it, libwrap is asked in any case.
RULES_OCTETS = 64 * 1024

# How long after a starter that has ended before it was ready the next one is tried.
STARTER_AGAIN_S = 60

# The longest message with which a spare session gets its client: a digit and a numeric address.
ORDER_OCTETS = 128

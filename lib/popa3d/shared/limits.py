"""Every limit and path, each with its reason and source.

Runs as: any uid (constants only).
Trusts: nothing.
"""

# --- The protocol, as RFC 1939 and C popa3d 1.0.3 have it ---

# RFC 1939 section 3: "The timer MUST be of at least 10 minutes' duration." It covers one whole command line, so that
# a client which sends a byte a second does not hold a session for ever.
TIMEOUT_S = 10 * 60

# All of the AUTHORIZATION state, from the greeting to PASS. Not in C popa3d. RFC 1939 has the 10 minutes for it too, but
# a peer that is nobody yet has less credit: OpenSSH's LoginGraceTime is the same two minutes.
LOGIN_TIMEOUT_S = 2 * 60

# A client that has sent so many lines that are no commands here is not going to log in: each costs a reply, and an empty one
# costs its sender two octets. fetchmail, the most curious of clients, asks for three unknown things; people mistype.
INVALID_COMMANDS = 20

# C popa3d cuts command lines here, without the line end, and reads on to the next line.
LINE_OCTETS = 127

# RFC 1939 section 3: "Each argument may be up to 40 characters long." PASS is one argument up to the end of the line.
ARGUMENT_OCTETS = 40
PASSWORD_OCTETS = LINE_OCTETS - len("PASS ")

# Numbers beyond C's int are errors, not wrapped (C popa3d).
NUMBER_MAX = 2**31 - 1

# --- The client's connection ---

# One read. It is also the most that a client can have sent ahead when PASS ends the AUTHORIZATION state, hence part of
# the record's bound; a pipelining client's whole session usually fits.
READ_OCTETS = 4096

# Replies are collected up to this size, and RETR reads this much of the mailbox at once: whole replies leave in one
# write (no Nagle delays), and memory stays small for any message.
WRITE_OCTETS = 256 * 1024

# glibc's malloc(3) gives freed blocks back to the system at once, and takes new ones, a page fault for each 4 KiB, which
# costs more than what is done with them: until a larger block was freed, from when on it keeps twice that one's size. So
# the owner's program begins with that; a block that was never written to costs nothing.
KEPT_OCTETS = 2 * 1024 * 1024

# The reply to the next RETR is prepared while the client reads the last one, up to this size.
PREPARED_OCTETS = 64 * 1024

# LIST and UIDL are made of so many messages at a time, so that memory stays small for any number.
LISTED_MESSAGES = 2000

# Leading dots are doubled by splitting a block at so many at most; with more, the pieces would take too much memory, and a slower
# way is taken.
SPLIT_DOTS = 64

# Descriptors that one of our programs or processes leaves to the next. From the listener to a session, until that execs: the
# pipe for logins, each the session's process id in so many octets. From root to the owner's program: the record's pipe, and
# the locker's socket, if there is one.
LOGINS_FD = 3
LOGIN_OCTETS = 4
HANDOVER_FD, LOCKER_FD = 3, 4

# A pipe that poll(2) calls writable takes this much without blocking (POSIX PIPE_BUF on Linux, at least 512 elsewhere).
PIPE_OCTETS = 512

# --- Root ---

# How much more memory the pre-auth child may have than it starts with. It needs what it reads at once, what it says, and
# Python's own blocks of a megabyte.
PREAUTH_OCTETS = 8 * 1024 * 1024

# An account that is nobody's: a lookup that finds nothing, to load the name services, and so that known and unknown users
# cost the same lookups. A name that services would look for, or they answer at once.
NO_ACCOUNT = "popa3d-nobody"

# The user of the pre-auth child. Nothing may belong to it.
USER = "popa3d"

# The pre-auth child's root directory: root's own, not writable by others, and empty. Debian's popa3d has it here too.
CHROOT = "/var/lib/popa3d"

# PAM's service, and where its file may be: without one Linux-PAM falls back to "other", which is not what the
# administrator decided for mail.
PAM_SERVICE = "popa3d"
PAM_SERVICE_FILES = ("/etc/pam.d/popa3d", "/usr/lib/pam.d/popa3d", "/usr/local/etc/pam.d/popa3d")

# No file of the kind is longer, nor do they include each other more deeply.
PAM_FILE_OCTETS = 64 * 1024
PAM_INCLUDES = 8

# fail2ban's pam-generic filter wants a non-empty tty; there is no terminal, so the service's name stands for it.
PAM_TTY = "popa3d"

# PAM and the name services may take their own time (a network directory, a delay after failure), but not for ever: then
# SIGALRM ends us.
PAM_TIMEOUT_S = 3 * 60

# How long root waits for the pre-auth child beyond LOGIN_TIMEOUT_S before it kills it.
RECORD_GRACE_S = 5

# Where python-pam and psutil may be, first found first: Debian's packages, then pip's for the administrator, then other
# systems'. {0} is the prefix, {1} the version of Python. Site processing is off (python3 -S), since it costs start-up time.
PYTHON_DIRECTORIES = (
    "/usr/lib/python3/dist-packages",
    "/usr/local/lib/python{1}/dist-packages",
    "{0}/lib/python{1}/site-packages",
    "{0}/lib64/python{1}/site-packages",
    "/usr/local/lib/python{1}/site-packages",
    "/usr/local/lib64/python{1}/site-packages",
)

# The shared libraries that python-pam would look for with a subprocess: Linux-PAM's names, the same on every Linux.
PAM_LIBRARIES = {"pam": "libpam.so.0", "pam_misc": "libpam_misc.so.0"}

# The administrator's file. It is optional; -c names another.
CONFIGURATION = "/etc/popa3d.toml"
CONFIGURATION_OCTETS = 64 * 1024

# --- popa3d -D: C popa3d's DAEMON_PORT, MAX_SESSIONS, MAX_SESSIONS_PER_SOURCE and MIN_DELAY (params.h) ---

POP3_PORT = 110  # where services(5) does not know "pop3"
SESSIONS = 500
SESSIONS_PER_SOURCE = 50
MIN_DELAY_S = 10

# Of SESSIONS, how many may be of clients that have not logged in: half, so that these never shut out those who have. From
# half of that on, newcomers are refused at random, as OpenSSH's MaxStartups does, and a source may have no more than this
# share, or so many; an IPv6 /56 twice, a /48 and an IPv4 /24 four times as much. So few in all are not refused at random.
UNAUTHENTICATED_SHARE = 1 / 50
UNAUTHENTICATED_LEAST = 5
UNAUTHENTICATED_FEW = 25

# Connections that wait to be accepted. C popa3d has 5; a burst of clients on the minute is more, and the kernel has room.
BACKLOG = 128

# Log lines of the listener that wait for the one before, and how long one may take: then the log daemon is stuck.
LOG_LINES = 1024
LOG_S = 5

# How long the listener leaves its sockets alone when the system is out of descriptors, memory or processes.
PAUSE_S = 1.0

LIBWRAP = "libwrap.so.0"

# --- Mailboxes ---

# Debian policy 11.6; C popa3d's MAIL_SPOOL_PATH.
SPOOL = "/var/mail"

# C popa3d's MAX_MAILBOX_MESSAGES and MAX_MAILBOX_OPEN_BYTES ("sane limits on the mailbox size in order to prevent a
# single huge mailbox from stopping the entire POP service"), the second 32 times its 2 GiB.
MAX_MESSAGES = 2097152
MAX_OCTETS = 2**36

# One read while parsing and moving. Large enough that Python's own work does not show, small enough for the processor's
# caches: a megabyte takes a third longer.
PARSE_OCTETS = 128 * 1024

# A header line beyond this is digested in pieces as they come, never held.
HEADER_LINE_OCTETS = 64 * 1024

# Another program's lock is waited for this long, then the client is told to come back. Mail programs give up at 30 to 60 s.
LOCK_TIMEOUT_S = 20

# How long to wait between two attempts to take the locks, and between two looks at a mailbox that is being written.
LOCK_STEP_S = 0.05
LOOK_AGAIN_S = 0.05

# A mailbox that nobody has written to for this long has no message that is still being written: programs that take no lock
# write theirs in some milliseconds, if they are not held up. The longest that a login waits for one to be finished.
QUIET_S = 1.0

# How a mailbox can be locked: fcntl(2) record locks, flock(2), a file MAILBOX.lock (Debian policy 11.6: fcntl, then that).
LOCKS = ("fcntl", "flock", "dotlock")

# A dot-lock file this old whose process is not known to live was left behind. liblockfile, which Debian's delivery agents
# use, has the same five minutes.
DOTLOCK_STALE_S = 5 * 60

# Root's locker is asked to renew a dot-lock's time this often: other programs look at minutes.
DOTLOCK_TOUCH_S = 1

# The longest message to and from root's locker: a uid and an account's name, which is a file's (NAME_MAX, 255).
LOCKER_OCTETS = 512

# A file system's clock ticks at most this slowly where it has fractions of a second at all (HZ=100); a mailbox younger
# than a tick could change again without its times showing it.
CLOCK_TICK_NS = 10_000_000

# --- Per-user state: STATE/UID belongs to that user. Not below CHROOT, which must stay empty ---

STATE = "/var/lib/popa3d-state"

# The update's journal holds what has no room to be moved at once: this much of the mailbox at a time. With the list of what
# stays (some octets a message) it is all that a journal ever holds.
JOURNAL_DATA_OCTETS = 4 * 1024 * 1024

# The list of what stays is longer than this only in a mailbox at the limits of MAX_MESSAGES and MAX_OCTETS. Also the most
# that is believed of a journal that is found.
JOURNAL_PLAN_OCTETS = 16 * 1024 * 1024

# On a full disk an update goes in steps of what the deleted messages have freed; each is two writes that must reach the
# disk. Beyond this many it would take minutes.
JOURNAL_STEPS = 20_000

# Of so many messages whose unique-id another one has, too, the content is read to tell them apart; beyond, they are only
# numbered. Somebody who has a mailbox twice in one file is below that, and what is read for them takes half a second at most.
COPIES = 10_000
COPY_OCTETS = 128 * 1024
COPY_BODY_OCTETS = 32 * 1024

# A mailbox below this is parsed faster than its index is looked for (some milliseconds).
INDEX_OCTETS = 1024 * 1024

# A mailbox of this size is parsed by two processes, if there are two processors: starting one takes a millisecond or two.
SCAN_BOTH_OCTETS = 16 * 1024 * 1024

# popa3d-recover lets this many users' programs work at once: what they do is mostly to wait for the disk.
RECOVERIES_AT_ONCE = 4

# One that has not ended by then works on beside them, but holds up nobody: it waits for a lock, has a large mailbox, or its
# user has stopped it. Most take less than a second.
RECOVERY_SLOW_S = 5

# So many at once with those: each is a process of some 10 MB.
RECOVERIES = 20

# popa3d-recover waits this long for one of them. A mailbox of 64 GiB may take longer, and so may somebody who stops his own
# program.
RECOVERY_TIMEOUT_S = 3 * 60

# And this long in all: mail is not delivered before the host's start is done. The systemd unit has TimeoutStartSec beyond
# it, so that popa3d-recover can still say who is left.
RECOVERY_LIMIT_S = 10 * 60

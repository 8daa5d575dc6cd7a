"""Every limit and path, each with its reason and source; those of TLS are in tls_limits.

Runs as: any uid (constants only).
Trusts: nothing.
"""

# --- The protocol, as RFC 1939 and C popa3d 1.0.3 have it ---

# RFC 1939 section 3: "The timer MUST be of at least 10 minutes' duration." It runs for one whole command line, so a client
# that sends an octet a second cannot hold a session for ever.
TIMEOUT_S = 10 * 60

# The whole AUTHORIZATION state, from the greeting to PASS or AUTH. C popa3d has no such limit. RFC 1939 allows 10 minutes here
# too, but a client that has not logged in deserves less patience: OpenSSH's LoginGraceTime is the same two minutes.
LOGIN_TIMEOUT_S = 2 * 60

# After this many invalid command lines a session ends before the login: each costs a reply, and an empty line costs its
# sender only two octets. fetchmail, the most curious client, tries three unknown commands; people mistype some.
INVALID_COMMANDS = 20

# The most lines of any kind before the login. CAPA is valid, but a client that never stops asking should not cost time.
LOGIN_LINES = 200

# A longer command line (the line end not counted) is refused. RFC 2449 section 4 wants 255 octets with CRLF to work; two more
# let USER have a name of NAME_OCTETS.
LINE_OCTETS = 255

# A user name: sssd and winbind have "user@long.domain". This is what USER leaves of a line, and with ".lock" behind it the
# longest name that a file can have.
NAME_OCTETS = 250

# RFC 1939 section 3: "Each argument may be up to 40 characters long." Longer numbers are invalid, as in C popa3d.
ARGUMENT_OCTETS = 40

# A password. Linux-PAM accepts no longer answer (PAM_MAX_RESP_SIZE). PASS has no room for more than 250 octets, AUTH has.
PASSWORD_OCTETS = 512

# The longest response of SASL's PLAIN (RFC 4616): two names and a password with a NUL between each, in base64. It may also
# stand on the line of AUTH: clients should not put it there if that exceeds 255 octets (RFC 5034 section 4), but Net::POP3 does.
SASL_OCTETS = (2 * NAME_OCTETS + PASSWORD_OCTETS + 2 + 2) // 3 * 4
AUTH_LINE_OCTETS = len("AUTH PLAIN ") + SASL_OCTETS

# C's greatest int. As in C popa3d, a greater number is an error.
NUMBER_MAX = 2**31 - 1

# --- The client's connection ---

# One read. So it is also the most that a client can have sent ahead of the reply to its login, which the login record carries.
# All that a pipelining client sends in a session usually fits.
READ_OCTETS = 4096

# Replies are collected up to this size, and RETR reads this much of the mailbox at a time: whole replies leave in one write
# (no Nagle delays), and memory stays small for any message.
WRITE_OCTETS = 256 * 1024

# glibc's malloc(3) returns large freed blocks to the system, and each new one costs a page fault for every 4 KiB. Once a
# larger block has been freed, glibc keeps up to twice its size. So the owner's program frees one of this size first; a block
# that is never written to costs nothing.
KEPT_OCTETS = 2 * 1024 * 1024

# While the client reads one message, the next is prepared, up to this size.
PREPARED_OCTETS = 64 * 1024

# LIST and UIDL are made of so many messages at a time, so that memory stays small for any number.
LISTED_MESSAGES = 2000

# Leading dots are doubled by splitting a block at so many at most; with more, the pieces would take too much memory, and a slower
# way is taken.
SPLIT_DOTS = 64

# Descriptors that one process of popa3d leaves to the next. From the listener to a session: the pipe on which processes report
# logins (see root/reports.py); the sockets of the TLS key's keeper and of the starter, if there are any; and of a spare
# session, the socket on which it will get its client, and its own to its pre-auth child. From root to the owner's program:
# the pipe with the handover record, and the locker's socket, if there is one.
LOGINS_FD, KEEPER_FD, STARTER_FD, SPARE_FD, PREAUTH_FD = 3, 4, 5, 6, 7
HANDOVER_FD, LOCKER_FD = 3, 4

# The number under which a session keeps the address of a client that comes through a proxy (shared/client_note.py), with a
# distance to all of the above, and to what is opened.
NOTE_FD = 40

# A pipe that poll(2) reports as writable takes this much without blocking: POSIX's least PIPE_BUF.
PIPE_OCTETS = 512

# --- Root ---

# How long a session waits until the starter has forked the owner's program, before it executes that itself.
STARTER_ANSWER_S = 5

# How much more memory the pre-auth child may use than it has at its start. It needs one read, its replies, and Python's
# blocks of a megabyte.
PREAUTH_OCTETS = 8 * 1024 * 1024

# A name that no account has. It is looked up to load the name services, and so that a known and an unknown user cost the
# same look-ups; and PAM is asked about it in the place of a name that would be logged. It must look like a name, since services
# reject others without a look.
NO_ACCOUNT = "popa3d-nobody"

# The user of the pre-auth child. It must own no files.
USER = "popa3d"

# The pre-auth child's root directory: it must be root's, not writable by others, and empty. Debian's popa3d has it here, too.
CHROOT = "/var/lib/popa3d"

# PAM's service, and where its file may be. Without a file Linux-PAM uses the service "other", which is not what the
# administrator decided for mail.
PAM_SERVICE = "popa3d"
PAM_SERVICE_FILES = ("/etc/pam.d/popa3d", "/usr/lib/pam.d/popa3d", "/usr/local/etc/pam.d/popa3d")

# No real service file is longer, and none includes others more deeply.
PAM_FILE_OCTETS = 64 * 1024
PAM_INCLUDES = 8

# fail2ban's filter pam-generic needs a tty that is not empty. There is no terminal, so it is the service's name.
PAM_TTY = "popa3d"

# PAM and the name services may take long (a network directory, a delay after a failure). After this, SIGALRM ends the process.
PAM_TIMEOUT_S = 3 * 60

# How much longer than LOGIN_TIMEOUT_S root waits for the pre-auth child's record before it kills the child.
RECORD_GRACE_S = 5

# Where python-pam and psutil may be, in the order of the search: Debian's packages, what the administrator has installed with
# pip, then other systems' packages. {0} is Python's prefix, {1} its version. Python does not know these directories, because
# it is started with -S, which saves time.
PYTHON_DIRECTORIES = (
    "/usr/lib/python3/dist-packages",
    "/usr/local/lib/python{1}/dist-packages",
    "{0}/lib/python{1}/site-packages",
    "{0}/lib64/python{1}/site-packages",
    "/usr/local/lib/python{1}/site-packages",
    "/usr/local/lib64/python{1}/site-packages",
)

# Linux-PAM's libraries, by the names that they have on every Linux. python-pam would run a program to find them.
PAM_LIBRARIES = {"pam": "libpam.so.0", "pam_misc": "libpam_misc.so.0"}

# The administrator's file, which is optional (-c names another), and the most that it may have: a typical one has 1 KiB.
CONFIGURATION = "/etc/popa3d.toml"
CONFIGURATION_OCTETS = 64 * 1024

# Where syslog(3) finds the system log. A line's text is cut at so many octets: user names and paths come from others.
LOG_SOCKET = "/dev/log"
LOG_TEXT_OCTETS = 512

# The most that is read of another process's command line; more than popa3d's ever have.
COMMAND_LINE_OCTETS = 64 * 1024

# --- popa3d -D: C popa3d's DAEMON_PORT, MAX_SESSIONS, MAX_SESSIONS_PER_SOURCE and MIN_DELAY (params.h) ---

POP3_PORT = 110  # where services(5) does not know "pop3"
POP3S_PORT = 995  # RFC 8314 section 7.3
SESSIONS = 500
SESSIONS_PER_SOURCE = 50
MIN_DELAY_S = 10

# Connections that may wait to be accepted. C popa3d has 5, which is less than a burst of clients at the full minute.
BACKLOG = 128

# Sessions that are forked ahead of their clients. More of them serve a longer burst without a wait for fork(2), which takes a
# millisecond or two each time; each has three processes, with TLS four, with 2 or 3 MB of their own together.
SPARE = 4

# While at least half of those that should wait do, others are forked when a client's login, and what it asks then, is mostly
# over: the forks would take the processors from it.
SPARE_LATER_S = 0.02

# --- Mailboxes ---

# Debian policy 11.6; C popa3d's MAIL_SPOOL_PATH.
SPOOL = "/var/mail"

# C popa3d's MAX_MAILBOX_MESSAGES and MAX_MAILBOX_OPEN_BYTES ("sane limits on the mailbox size in order to prevent a
# single huge mailbox from stopping the entire POP service"), the second 32 times its 2 GiB.
MAX_MESSAGES = 2097152
MAX_OCTETS = 2**36

# One read while a mailbox is parsed or messages are moved: large enough that Python's own work does not show, small enough
# for the processor's caches. With a megabyte it takes a third longer.
PARSE_OCTETS = 128 * 1024

# A longer header line is not kept in memory: it goes into the digest piece by piece.
HEADER_LINE_OCTETS = 64 * 1024

# How long to wait for another program's lock before the client is told that the mailbox is in use. Mail programs give up
# after 30 to 60 s.
LOCK_TIMEOUT_S = 20

# How long to wait between two attempts to take the locks, and between two looks at a mailbox that is being written.
LOCK_STEP_S = 0.05
LOOK_AGAIN_S = 0.05

# A mailbox that was not written to for this long holds no unfinished message: programs that take no lock write theirs within
# milliseconds, unless they are held up. A login waits no longer than this for one to be finished.
QUIET_S = 1.0

# The ways to lock a mailbox: fcntl(2) record locks, flock(2), and a file MAILBOX.lock. Debian policy 11.6 asks for fcntl, then
# the file.
LOCKS = ("fcntl", "flock", "dotlock")

# A dot-lock of this age that names no live process is stale. liblockfile, which Debian's delivery agents use, has the same
# five minutes.
DOTLOCK_STALE_S = 5 * 60

# How often a session has the locker renew its dot-lock's time. Other programs wait for minutes before they call one stale.
DOTLOCK_TOUCH_S = 1

# The longest message to or from the locker: a uid and an account's name, which has at most 255 octets (NAME_MAX), as it is a
# file's.
LOCKER_OCTETS = 512

# The longest tick of a file system's clock, if that has fractions of a second at all (HZ=100). A mailbox that changed less
# than a tick ago can change again without another time.
CLOCK_TICK_NS = 10_000_000

# --- Per-user state: STATE/UID belongs to that user. Not below CHROOT, which must stay empty ---

STATE = "/var/lib/popa3d-state"

# Files in a state directory begin with the owner's name, or so much of it: a journal in names of files needs the rest, up to
# 255 octets (NAME_MAX), for itself.
STATE_NAME_OCTETS = 40

# A journal holds a copy of the part of the mailbox that is being overwritten: at most this much at a time, besides the list
# of messages that stay (some octets each).
JOURNAL_DATA_OCTETS = 4 * 1024 * 1024

# The longest list of messages that stay. Only a mailbox near MAX_MESSAGES and MAX_OCTETS could need more. A journal that
# claims more is not believed.
JOURNAL_PLAN_OCTETS = 16 * 1024 * 1024

# On a full disk an update proceeds in steps of the size of what was deleted, and each step waits twice for the disk. More
# steps than this would take minutes.
JOURNAL_STEPS = 20_000

# Messages whose unique-id would equal an earlier message's are told apart by their content; beyond this many they are only
# numbered. A mailbox that holds all of its mail twice is below that, and reading the content takes half a second at most.
COPIES = 10_000
COPY_OCTETS = 128 * 1024
COPY_BODY_OCTETS = 32 * 1024

# A smaller mailbox has no kept index: parsing it takes some milliseconds, as looking for the index would.
INDEX_OCTETS = 1024 * 1024

# From this size on a mailbox, or what was added to it, is parsed by two processes, if there are two processors. Starting one
# takes a millisecond or two.
SCAN_BOTH_OCTETS = 16 * 1024 * 1024

# popa3d-recover runs this many owners' programs at once, besides slow ones: mostly they wait for the disk.
RECOVERIES_AT_ONCE = 4

# A program that has run for this long is slow, and no longer keeps others from starting: it waits for a lock, has a large
# mailbox, or its user has stopped it. Most take less than a second.
RECOVERY_SLOW_S = 5

# The most that run at once with the slow ones: each is a process of some 10 MB.
RECOVERIES = 20

# How long popa3d-recover waits for one program. A mailbox of 64 GiB may take longer, or a program that its user has stopped.
RECOVERY_TIMEOUT_S = 3 * 60

# How long it may take in all, since mail is not delivered before the host has started. The systemd unit's TimeoutStartSec is
# longer, so that popa3d-recover can still name the users whose mailboxes are unfinished.
RECOVERY_LIMIT_S = 10 * 60

# What popa3d-check reads of the report of an owner's process: one has a dozen findings.
FINDINGS = 50
FINDINGS_OCTETS = 128 * 1024

# The most files in a state directory that root looks at, and the most accounts that they may be named for. A mailbox has two
# hundred at most, and a user one or two mailboxes. More were made by the user; root stops looking.
RECOVERY_FILES = 1000
RECOVERY_ACCOUNTS = 20

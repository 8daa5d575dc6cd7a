"""The page docs/BENCHMARKS.md: what is not a figure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

# Each group of the table: its chart's title, and what its numbers mean.
TITLES = {
    "Poll": "A poll",
    "Login": "Greeting and login",
    "Sessions/s": "Polls of many clients at once",
    "Opening": "Opening an archive",
    "Growth": "Opening, by size",
    "RETR": "Fetching",
    "QUIT": "Deleting",
    "TLS": "With TLS",
    "Memory": "Private memory of a session",
    "Held": "Sessions held open",
}
UNITS = {"ms": "milliseconds", "s": "seconds", "1/s": "per second", "MB/s": "megabytes per second", "MB": "megabytes"}
GROUPS = {
    "Poll": """\
What a mail program does every few minutes, from connect to the reply to QUIT: USER, PASS, STAT, UIDL, LIST, RETR of
the last three messages. The mailbox has 10 messages, 40 kB. "Debian's PAM" is `packaging/pam.d/popa3d` over Debian's
`common-auth`, with passwords hashed as the first fact above says; "no PAM" is pam_permit alone.

With "inetd", popa3d and C popa3d are started for each connection; with "-D" they listen themselves. Dovecot is its
own super-server in both rows. Its login processes are persistent here (`service_count = 0`), which is not its
default: a new connection starts no program. The client acknowledges each segment at once, except in the rows "delayed
ACKs", where it does what Linux normally does. There C popa3d, which sends the first line of a long reply by itself,
waits some 40 ms for its acknowledgement each time.""",
    "Login": """\
From connect to the greeting, and from USER to the reply to PASS, without PAM's work. "Python" is the start and end of
an interpreter that does nothing (`python3 -I -S -c pass`), measured in the same rounds: one for the greeting behind
inetd, one for the login, since the session is a program of its own, and two for both. popa3d's interpreters end
without tidying up, which saves a sixth of that.""",
    "Sessions/s": """\
The same poll by 1, 4 and 16 clients at once, each with its own account and starting again as soon as it is done.
Clients and server share the processors. C popa3d -D accepts 500 sessions in 10 s, a limit that is compiled in: the
clients wait until it may accept again before the clock runs. It lets only five connections wait to be accepted, so
that of 16 clients some are served seconds later or never; that row is left out. In the rows "Dovecot's default" Dovecot
has a login process for each connection (`service_count = 1`), as popa3d has, so that one client's bug is not another
client's.""",
    "Opening": """\
USER, PASS, STAT, UIDL, QUIT, less the same on a mailbox of 40 kB: 120 MB in 20,000 messages, and 1.1 GB in 100,000.
"First time": a fresh copy of the mailbox, with popa3d's state directory and Dovecot's indexes empty; Dovecot then
also writes X-UID lines into it. "Again": nothing has changed. "10 new messages": those were appended; Dovecot by
default reads everything again then (`mbox_very_dirty_syncs = no`). C popa3d keeps nothing between sessions and always
reads everything. Whole sessions differ by a millisecond or two anyway, so a difference that small, or below zero,
means nothing.""",
    "Growth": """\
The same for mailboxes of one, two, four and eight times a size. Doubling the mailbox should no more than double the
time.""",
    "RETR": """\
Messages fetched one by one from an open mailbox, each asked for when the one before has arrived. "Python" is a server
of a few lines that copies a file to the socket with CRLF line ends, and does nothing else.

With small messages the time goes into waking the other program, once for the command and once for the reply. On two
processors, above all in a virtual machine, that takes longer than the work itself, and it is chance whether client
and server share one. In the rows "one processor" all of them do, which shows the work alone. Clients on other hosts
wait for their network instead.""",
    "QUIT": """\
From QUIT to its reply, with every second message deleted, and with the first one alone. Messages have 6 kB. "In
memory" is the cost of moving octets alone. "On a disk", mailboxes, state and indexes lie below `build/` on the
machine's own disk, which has the mailbox before it is opened. There popa3d waits until its journal and the mailbox
have reached the disk, in the order that survives a loss of power. Disks differ a thousandfold in how long that takes:
the facts above have the time of a single sync. A virtual disk that takes a small fraction of a millisecond answers
before anything is safe, and these rows then say little.""",
    "TLS": """\
From connect to the reply to PASS, and one large message, over TLS 1.3 from the first octet with the same certificate
(ECDSA, P-256). popa3d -D and Dovecot each have a TLS of their own; the client is Python's.""",
    "Memory": """\
Private memory (`Private_*` of smaps_rollup) of the process that serves the session, after the reply to PASS, on
mailboxes that have been opened before. "Python" is an interpreter that sleeps.""",
    "Held": """\
That many clients log in, one after the other, and stay, without PAM's work. Memory is what the server's processes have
more than before, where each page that several share counts in parts (PSS of smaps_rollup). CPU is processor time from
connect to the session's end. Then the next client's greeting.""",
}

_HEAD = """\
# Benchmarks

popa3d beside C popa3d and Dovecot, on one machine at one time. `make bench` writes this page, [bench.json](bench.json)
with every single value, and the charts.

## How it is measured

All servers run at once in private namespaces, each with its own mailboxes, and take turns: one session with each,
then the next round. A figure is the median of the rounds; after ± comes half the distance between the quartiles. The
last columns compare medians, as how many times better popa3d is than C popa3d, Dovecot and bare Python: above 1 it is
faster or needs less memory, below 1 it is slower or needs more.

The mailboxes, their indexes and the state directory lie in memory (tmpfs), except in the rows that say otherwise. All
servers lock with fcntl only. popa3d is installed by `make install`; the others are Debian's packages.

    make bench            all of it; a quarter of an hour, 10 GB of free memory (less: without the 1.1 GB mailbox)
    make bench QUICK=1    under two minutes; fewer rounds, smaller mailboxes, and the page goes to build/bench

It needs root, like the tests, and leaves the host as it was.

## The machine

"""


_IMPORTS = """
popa3d's part of that is imports: a module's own milliseconds, without what it imports in turn, as reported by
`python3 -X importtime`, which takes some time itself. It is without images, from which sessions load the same in less
time (DESIGN.md). With -D everything that root needs was loaded before the client came.

"""


def text(table: str, facts: Mapping[str, str], groups: Mapping[str, Sequence[str]], failures: Sequence[str], imports: str) -> str:
    """The whole page. groups: the charts' file names by group of the table. imports: imports.table."""
    parts = [_HEAD, *(f"- {name}: {value}\n" for name, value in facts.items()), "\n"]
    if failures:
        parts += ["## What failed\n\n", *(f"- {failure}\n" for failure in failures), "\n"]
    parts += ["## The figures\n\n", table, "\n## What each number means\n"]
    for group, meaning in GROUPS.items():
        parts.append(f"\n### {group}: {TITLES[group].lower()}\n\n{meaning}\n")
        parts += [f"\n![{TITLES[group]}]({name})\n" for name in groups.get(group, ())]
        if group == "Login" and imports:
            parts += [_IMPORTS, imports]
    return "".join(parts)

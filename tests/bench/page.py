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
    "Memory": "Private memory of a session",
}
UNITS = {"ms": "milliseconds", "s": "seconds", "1/s": "per second", "MB/s": "megabytes per second", "MB": "megabytes"}
GROUPS = {
    "Poll": """\
What a mail program does every few minutes, from connect to the reply to QUIT: USER, PASS, STAT, UIDL, LIST, RETR of the
last three messages. The mailbox has 10 messages, 40 kB. "Debian's PAM" is the shipped `packaging/pam.d/popa3d` over
Debian's `common-auth`, with passwords as the first fact above says; "no PAM" is pam_permit alone.

With "inetd", popa3d and C popa3d are started for each connection; with "-D" they listen themselves. Dovecot is its own
master in both rows, and its login processes are persistent here (`service_count = 0`), which is not its default: a new
connection starts no program. The client acknowledges each segment at once. In the rows "delayed ACKs" it does what
Linux does otherwise. C popa3d sends the first line of a long reply by itself, and then waits some 40 ms for its
acknowledgement, each time.""",
    "Login": """\
From connect to the greeting, and from USER to the reply to PASS, without PAM's work. "Python" is the start and end
of an interpreter that does nothing (`python3 -I -S -c pass`), measured in the same rounds: one for the greeting behind
inetd, one for the login, since the session is a program of its own, and two for both. popa3d's interpreters end without
tidying up, which is a sixth of that.""",
    "Sessions/s": """\
The same poll, by 1, 4 and 16 clients at once, each with an account of its own, each coming back as soon as it is done.
Clients and server share the processors. C popa3d -D has its limits compiled in. It takes 500 sessions in 10 s: the
clients wait until it may, before the clock runs. And it lets five connections wait to be accepted: of 16 that come at
once some are heard seconds later or never, so that it is left out there.""",
    "Opening": """\
USER, PASS, STAT, UIDL, QUIT, less the same on a mailbox of 40 kB: 120 MB in 20,000 messages, and 1.1 GB in 100,000. The
"first time" nothing is known of the mailbox, a fresh copy: popa3d's state directory and Dovecot's indexes are empty.
Dovecot then also writes X-UID lines into it. "Again": nothing has changed. "10 new messages": those were added behind
the others; Dovecot by default reads all again then (`mbox_very_dirty_syncs = no`). C popa3d keeps nothing between
sessions and reads all each time. A millisecond or two is what whole sessions differ by themselves: a figure as small,
even below zero, says "nothing to be seen".""",
    "Growth": """\
The same for mailboxes of one, two, four and eight times a size. Doubling the mailbox should double the time, not more.""",
    "RETR": """\
Messages fetched one by one, each asked for when the one before has come, on a mailbox that is open. "Python" is a
server of a few lines that copies a file to the socket with CRLF line ends, and knows nothing else.

With small messages the time goes into waking the other program, once for the command and once for the reply. On two
processors, above all in a virtual machine, that takes longer than the work itself, and it is chance whether client and
server share one. In the rows "one processor" all of them do, which shows the work. Clients on other hosts wait for
their network instead.""",
    "QUIT": """\
From QUIT to its reply, with half of a mailbox deleted, every second message, and with its first message alone. The
messages have 6 kB each. "In memory" is the cost of moving the octets alone. "On a disk", mailboxes, state and indexes
lie below `build/`, on the machine's own disk, which has the mailbox before it is opened. There popa3d waits until its
journal and the mailbox have reached the disk, in the order that survives a loss of power. Disks differ a thousandfold
in how long that takes: the facts above have this one's time for a single sync. A virtual disk with a small fraction of
a millisecond answers before anything is safe, and these rows then say little.""",
    "Memory": """\
Private memory (`Private_*` of smaps_rollup) of the one process that serves the session, behind the reply to PASS, on
mailboxes that have been opened before. "Python" is an interpreter that sleeps.""",
}

_HEAD = """\
# Benchmarks

popa3d beside C popa3d and Dovecot, on one machine at one time. `make bench` writes this page, [bench.json](bench.json)
with every single value, and the charts.

## How it is measured

All servers run at once in private namespaces, each with mailboxes of its own, and take turns: one session with each,
then the next round. A figure is the median of the rounds, with half the distance of the quartiles behind ±. The last
columns say how many times better popa3d is than C popa3d, Dovecot and bare Python: above 1 it is faster, or needs less
memory; below 1 it is slower, or needs more. Each compares medians.

The mailboxes, their indexes and the state directory lie in memory (tmpfs), but for two rows. All servers lock
with fcntl only. popa3d is installed by `make install`; the others are Debian's packages.

    make bench            all of it; a quarter of an hour, 10 GB of free memory (less: without the 1.1 GB mailbox)
    make bench QUICK=1    under two minutes; fewer rounds, smaller mailboxes, and the page goes to build/bench

It needs root, like the tests, and leaves the host as it was.

## The machine

"""


_IMPORTS = """
What popa3d's part of that is made of, import by import: each module's own milliseconds, without what it imports in
turn, as `python3 -X importtime` tells, which costs some time itself. With -D all that root needs was loaded before the
client came.

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

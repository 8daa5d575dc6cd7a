"""One mailbox, many who write it at the same time: deliverers, POP3 clients, and somebody who kills sessions.

    python3 -B -m tests.soak [SECONDS [SEED]]    as root: a minute of it, in a private host, with counts at the end

Each message can be told from all others and checked by itself, so that in the end it is known of each whether it was lost,
damaged, doubled, or came back after it was deleted.
"""

from __future__ import annotations

import json
import random
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

LIB = str(Path(__file__).resolve().parents[2] / "lib")
if LIB not in sys.path:  # pytest knows it; python3 -m tests.soak does not
    sys.path.insert(0, LIB)

OWNER, UID = "alice", 20001  # tests.host.ALICE, which a process of the soak does not load


class Delivery(NamedTuple):
    """One message. begin, done: when it was not there yet, and when it was, by the clock of all processes here. sure: the
    deliverer said that it has delivered.
    """

    name: str
    begin: float
    done: float
    sure: bool


class Visit(NamedTuple):
    """One session, as its client saw it. Names are those of messages.

    login, inside, end: before it was started; when it had loaded the mailbox; when it was over. listed: it knows its
    messages. seen: these, in their order (unique-ids). fetched: as sent. damaged: fetched, and not what was delivered.
    deleted: marked. quit: when QUIT was about to be sent, or 0. outcome: of what was marked: "deleted", "kept", "unknown".
    said: how it ended, for counting.
    """

    login: float
    inside: float
    end: float
    listed: bool
    seen: list[str]
    fetched: list[str]
    damaged: list[str]
    deleted: list[str]
    quit: float
    outcome: str
    said: str


class Told:
    """What is told to a deliverer or a client: its own name (and seed), the server's locks, where to write what it did."""

    def __init__(self, words: list[str]) -> None:
        """words: of the command line, as `words` gives them."""
        self.kind, self.name, self.locks, self.seed, self.until, self.results, self.configuration = words
        self.random = random.Random(f"{self.seed}/{self.name}")

    def words(self) -> list[str]:
        """For __init__."""
        return [self.kind, self.name, self.locks, self.seed, self.until, self.results, self.configuration]

    def repeat(self, once: Callable[[], Delivery | Visit | None]) -> None:
        """Do it again and again until the time is up, and note what was done."""
        with open(Path(self.results) / self.name, "w", encoding="ascii") as notes:
            while time.monotonic() < float(self.until):
                done = once()
                if done is not None:
                    notes.write(json.dumps(done) + "\n")


def notes(results: Path, of: Callable[[str], bool]) -> list[list[object]]:
    """What those whose names are `of` it have noted."""
    found = [path.read_text("ascii").splitlines() for path in sorted(results.iterdir()) if of(path.name)]
    return [json.loads(line) for lines in found for line in lines]


def content(seed: str, name: str) -> bytes:
    """The message of that name, header and body: always the same. Its last line is finished."""
    dice = random.Random(f"{seed}/{name}/content")
    lines = []
    size = dice.choice((0, 300, 1000, 5000, 20_000)) if dice.random() < 0.97 else 400_000
    while size > 0:
        line = dice.choice(_LINES)(dice)
        size -= len(line) + 10
        lines.append(line)
    # "From " after an empty line would be another message: deliverers have to quote it, and ours do not
    for i, line in enumerate(lines):
        if line.startswith(b"From ") and (not i or not lines[i - 1]):
            lines[i] = b">" + line
    body = b"".join(line + b"\n" for line in lines)
    if not lines or not lines[-1]:
        body += b"end\n"  # an empty line at the end could be taken for the separator's
    head = f"From: soak@example.org\nSubject: {name} {dice.randbytes(8).hex()}\nMessage-ID: <{name}@soak>\n"
    return head.encode() + b"\n" + body


_LINES: tuple[Callable[[random.Random], bytes], ...] = (
    lambda dice: dice.randbytes(dice.randrange(1, 50)).hex().encode(),
    lambda dice: dice.randbytes(dice.randrange(1, 50)).hex().encode(),
    lambda dice: b"." * dice.randrange(1, 4),
    lambda dice: b".." + dice.randbytes(4).hex().encode(),
    lambda dice: b"",
    lambda dice: b"From soak@example.org Mon Jan  5 10:00:00 2026",
    lambda dice: b">From " + dice.randbytes(4).hex().encode(),
    lambda dice: "äöü \N{SNOWMAN}".encode() * dice.randrange(1, 20),
    lambda dice: dice.randbytes(2).hex().encode() * dice.choice((10, 10, 10, 20_000)),
)


def plain_text(message: bytes) -> bytes:
    """A message without the quoting that deliverers put before "From " at the start of a line."""
    lines = message.split(b"\n")
    return b"\n".join(line.lstrip(b">") if line.lstrip(b">").startswith(b"From ") else line for line in lines)


def name_of(message: bytes) -> str:
    """The name in a message's header, or nothing."""
    start = message.find(b"Message-ID: <") + len(b"Message-ID: <")
    end = message.find(b"@soak>\n", start)
    return message[start:end].decode("ascii", "replace") if start > 12 and 0 < end < start + 40 else ""


def leaves_unfinished(locks: str) -> bool:
    """Whether our deliverers leave the last line without its end. Debian's do not look how the mailbox ends, so only where
    these are not.
    """
    return locks == "flock"


def as_delivered(seed: str, locks: str, message: bytes) -> bool:
    """Whether a message that was read somewhere is the one that its header says.

    Who finds an unfinished line ends it, and adds an empty one. When the message with that line is deleted then, both are
    behind the message before it: there it may have more empty lines.
    """
    expected = plain_text(content(seed, name_of(message)))
    found = plain_text(message)
    return found == expected or (leaves_unfinished(locks) and found.rstrip(b"\n") == expected.rstrip(b"\n"))

"""A mailbox that two processes read is the mailbox that one reads."""

from __future__ import annotations

import subprocess
from pathlib import Path

from tests.host import CHECKOUT

# In an interpreter of its own: a session has one thread, and so may fork.
PROGRAM = """
import random, sys, zlib
sys.path.insert(0, sys.argv[1])
from popa3d.owner.mailbox import child, halves, ranges, scan
from popa3d.owner.mailbox import Refused
from popa3d.owner.mailbox.file import MboxFile

path = sys.argv[2]
child.os.sched_getaffinity = lambda _: {0, 1}  # whatever the machine has
forked = []
real = halves.parse_halves
halves.parse_halves = lambda *a: forked.append(real(*a)) or forked[-1]

def facts(both, most):
    scan.SCAN_BOTH_OCTETS = 1 if both else 1 << 60
    file = MboxFile(path.encode(), ("fcntl",))
    size = file.status().st_size
    try:
        if size:
            content = open(path, "rb").read()
            place, end = sorted(random.randrange(size + 1) for _ in range(2))
            assert scan.checksum(file, place, end, 77) == zlib.crc32(content[place:end], 77)
        index = scan.build_index(file, size, most)
    except Refused as why:
        return str(why)
    finally:
        file.close()
    content = open(path, "rb").read()
    assert index.check == zlib.crc32(content)
    return as_values(index)

def as_values(index):
    columns = [list(column) for column in (index.start, index.content, index.end, index.octets)]
    return columns, index.ids, index.base_ids, index.copy_digests, index.hidden, index.size, index.crlf

def grown(content, most):
    # The first part is parsed, then what follows is added to that.
    scan.SCAN_BOTH_OCTETS = 1 << 60
    file = MboxFile(path.encode(), ("fcntl",))
    size = len(content)
    try:
        whole = as_values(scan.build_index(file, size, most))
        known = scan.build_index(file, random.randrange(size // 8, size // 4), most)
    except Refused:
        return
    if len(known) > 1:
        scan.SCAN_BOTH_OCTETS = 1
        more = len(forked)
        extended = scan.extend_index(file, size, most, known)
        if extended is None:
            assert len(sys.argv) > 3
        else:
            assert as_values(extended) == whole
            assert extended.check == zlib.crc32(content)
            added.append(len(forked) > more)
    file.close()

random.seed(1)  # the same places each time
added = []
if len(sys.argv) > 3:
    child._be_the_child = lambda *a: exec("import os; os._exit(3)")
for seed in range(150):
    chance = random.Random(seed)
    lines = [b"\\r\\n", b".\\n", b"\\nFrom y\\r\\n", b"\\r\\n\\r\\nFrom z\\r\\n"]
    pieces = [b"From a@b\\n", b"\\n", b"\\nFrom x\\n", b"X: y\\n", b"Date: now\\n", b"text", b"a" * 300, b">From x\\n", *lines]
    count = chance.randint(5, 400)
    content = b"From a@b\\nX: y\\n\\n"
    content += b"".join(chance.choices(pieces, weights=(2, 8, 2, 3, 2, 4, 3, 1, 1, 1, 2, 2), k=count))
    if chance.random() < 0.1:
        content = content.replace(b"\\n", b"\\r\\n")
    if seed % 3 == 1:
        hidden = b"X-IMAP: 1\\nSubject: DON'T DELETE THIS MESSAGE -- FOLDER INTERNAL DATA\\n"
        content = content.replace(b"X: y\\n", hidden, chance.choice([1, 3]))
    if seed % 10 == 0:
        content = b"\\n" * 20_000 + content.replace(b"\\n", b"\\r\\n")
    open(path, "wb").write(content)
    ranges.PARSE_OCTETS = halves.PARSE_OCTETS = chance.choice([20, 100, 5000])
    most = chance.choice([3, 10_000])
    assert facts(True, most) == facts(False, most), seed
    grown(content, most)
print(len(forked), sum(found is not None for found in forked), sum(added))
"""


def run(tmp_path: Path, *arguments: str) -> tuple[int, int, int]:
    """How often it was tried to divide a mailbox, and how often that was used, in all and for what had been added to one."""
    command = ["/usr/bin/python3", "-IBS", "-c", PROGRAM, str(CHECKOUT / "lib"), str(tmp_path / "mailbox"), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    tried, used, added = map(int, done.stdout.split())
    return tried, used, added


def test_two_processes(tmp_path: Path) -> None:
    """For random mailboxes and any size of blocks: the same index, the same refusals, the same checks; also when it has grown."""
    tried, used, added = run(tmp_path)
    assert tried >= used > 15
    assert added > 8


def test_a_second_process_that_fails(tmp_path: Path) -> None:
    """If the second process ends without a word, the first one does it all."""
    tried, used, added = run(tmp_path, "fail")
    assert tried > 30 and used == added == 0

"""Unique-ids from digests, and digests that are made part by part."""

from __future__ import annotations

import hashlib
import random

from popa3d.owner.index.unique_id import MessageDigest, message_digest, texts, unique_ids
from tests.unit.owner.index.test_fields import counting, header, others


def test_as_c_popa3d_prints_them() -> None:
    """Two words of the digest, each as the number that it is on a little-endian machine: here of an MD5 over nothing."""
    assert texts(unique_ids(hashlib.md5(b"").digest()), 0, 1) == ["d98c1dd404b2008f"]


def test_many() -> None:
    """Many are as each is alone, in their order; `texts` prints those that it is asked for."""
    digests = [hashlib.md5(b"%d" % i).digest() for i in range(20)]
    ids = unique_ids(b"".join(digests))
    alone = [texts(unique_ids(digest), 0, 1)[0] for digest in digests]
    assert texts(ids, 0, 20) == alone
    assert texts(ids, 3, 7) == alone[3:7]
    assert unique_ids(b"") == b""


def test_part_by_part() -> None:
    """A header in parts, of whole lines and of lines in pieces, has the digest of the whole."""
    for seed in range(500):
        seeded = random.Random(seed)
        lines = header(seeded, 30)
        digest = MessageDigest()
        for line in lines:
            if seeded.random() < 0.3:
                cut = seeded.randint(min(len(line), 20), len(line))
                digest.add_piece(line[:cut], True)
                digest.add_piece(line[cut:], False)
            else:
                digest.add_lines(line)
        assert digest.counts_body() == (counting(lines) == b"")
        if digest.counts_body():
            digest.add_body(b"\nbody\n")
        expected = hashlib.md5(counting(lines) or others(lines) + b"\nbody\n").digest()
        assert digest.digest() == expected, lines
        data = b"From x\n" + b"".join(lines) + b"\nbody\n"
        assert message_digest(data, len(b"From x"), len(data) - len(b"\nbody\n") - 1, len(data)) == expected


def test_what_is_kept() -> None:
    """Of the header so many octets are kept, whether they came as lines or in pieces."""
    digest = MessageDigest(10)
    digest.add_lines(b"A: 1\n")
    digest.add_piece(b"B: 2", True)
    digest.add_piece(b"345678\n", False)
    assert digest.header == b"A: 1\nB: 23"
    assert MessageDigest().header == b""

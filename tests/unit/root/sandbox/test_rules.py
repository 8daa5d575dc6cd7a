"""What is put on is no more than it has to be: each rule and each filter takes time in each session."""

from __future__ import annotations

import os
import struct

from popa3d.root import sandbox


def test_no_rule_is_for_nothing() -> None:
    """No directory of libraries is named twice, or is below another one, whatever links there are."""
    places = sorted(os.path.realpath(path) + "/" for path, _ in sandbox._library("") if os.path.isdir(path))
    assert places
    assert not [place for i, place in enumerate(places) for other in places[:i] if place.startswith(other)]
    assert sandbox._library("") is sandbox._library("")  # made once, before anything is forked


def test_filters_of_a_file() -> None:
    """A filter is what stands under its name, up to the next one or the end; another name has none."""
    offered = sandbox._Offered()
    offered.text = b"[one]\n0102030405060708 0102030405060708\n0102030405060708\n[another one]\n0102030405060708\n"
    for name, count in (("one", 3), ("another one", 1)):
        length, address = struct.unpack("@HP", offered.program(name))
        assert length == count and address
        assert offered.program(name) is offered.program(name)
    assert offered.program("an") == offered.program("two") == b""

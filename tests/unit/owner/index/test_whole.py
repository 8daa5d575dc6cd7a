"""The fast path: which messages it notes, and where it leaves off for the parser's states."""

from __future__ import annotations

import pytest

from popa3d.owner.index.index import Builder, Index
from popa3d.owner.index.whole import note_whole_messages

MAX_MESSAGES = 1000
OFFSET = 5000


def noted(data: bytes, start: int = 0, crlf: bool = False, max_messages: int = MAX_MESSAGES) -> tuple[Index, int]:
    """The index of the messages that are noted, and where the next one starts."""
    builder = Builder(max_messages)
    stop = note_whole_messages(builder, data, start, OFFSET, crlf, b"\r" in data)
    index = Index()
    builder.complete(index)
    return index, stop


def message(i: int, body_octets: int) -> bytes:
    return b"From a\nDate: %d\n\n" % i + b"x" * body_octets + b"\n\n"


@pytest.mark.parametrize("crlf", [False, True], ids=["LF", "CRLF"])
@pytest.mark.parametrize("body_octets", [1, 5000], ids=["short", "long"])
@pytest.mark.parametrize("count", [0, 1, 2, 16, 17, 50])
def test_all_but_the_last(count: int, body_octets: int, crlf: bool) -> None:
    """A message is whole when the next one's "From " is there: all but the last one, which is left."""
    messages = [message(i, body_octets) for i in range(count + 1)]
    if crlf:
        messages = [one.replace(b"\n", b"\r\n") for one in messages]
    index, stop = noted(b"behind\n\n" + b"".join(messages), len(b"behind\n\n"), crlf)
    assert len(index) == count
    assert stop == len(b"behind\n\n" + b"".join(messages[:-1]))
    if count:
        assert index.start[0] == OFFSET + len(b"behind\n\n")
        end_of_line = 2 if crlf else 1
        assert index.end[-1] == OFFSET + stop - end_of_line


@pytest.mark.parametrize("body_octets", [1, 5000], ids=["short", "long"])
@pytest.mark.parametrize("room", [0, 1, 15, 16, 17, 40])
def test_room(room: int, body_octets: int) -> None:
    """No more messages are noted than there is room for; where the next one starts is known then, too."""
    messages = [message(i, body_octets) for i in range(42)]
    index, stop = noted(b"".join(messages), max_messages=room)
    assert len(index) == room
    assert stop == len(b"".join(messages[:room]))


@pytest.mark.parametrize("before", [0, 3, 30])
def test_without_content(before: int) -> None:
    """A message without content is left, for the states to refuse it."""
    good = b"".join(message(i, 1) for i in range(before))
    index, stop = noted(good + b"From b\n" + message(0, 1) * 20)
    assert (len(index), stop) == (before, len(good))

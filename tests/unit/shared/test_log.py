"""The system log: one line of printable ASCII, whatever goes in, and nothing of an exception that could be a secret."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from popa3d.shared import log
from tests.host import Host


@pytest.fixture(autouse=True)
def connected(host: Host) -> Iterator[None]:
    """This process's connection to the private log."""
    log.start()
    yield
    log.stop()


def written(host: Host) -> str:
    """The only line, behind its head."""
    (line,) = host.syslog.lines
    head, _, text = line.partition("]: ")
    assert " popa3d[" in head
    return text


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("a line", "a line"),
        (" !~", " !~"),
        ("a\nb\r\nc", "a?b??c"),
        ("\0\x01\t\x1b\x1f\x7f", "??????"),
        ("\x80\x9b\xa0\xe4\u2028\U0001f4a9", "??????"),
        ("\udcff\ud800", "??"),
        ("%s %n %m", "%s %n %m"),
    ],
)
def test_only_printable(host: Host, text: str, line: str) -> None:
    """What could end a line, forge another, or reach a terminal becomes a question mark, character by character."""
    log.write(log.INFO, text)
    assert written(host) == line


@pytest.mark.parametrize(("octets", "kept"), [(511, 511), (512, 512), (513, 512), (1_000_000, 512)])
def test_cut(host: Host, octets: int, kept: int) -> None:
    """A line has at most 512 characters of ours."""
    log.write(log.INFO, "x" * octets)
    assert written(host) == "x" * kept


def test_priorities(host: Host) -> None:
    """Facility daemon, and the priority that was asked for."""
    for priority in (log.ERROR, log.WARNING, log.NOTICE, log.INFO):
        log.write(priority, "x")
    assert [line.partition(">")[0] for line in host.syslog.lines] == ["<27", "<28", "<29", "<30"]


def test_names(host: Host) -> None:
    """A name that is not ASCII is told as far as it is."""
    log.write(log.INFO, log.name(b"/var/mail/m\xfcller\n\0"))
    assert written(host) == "/var/mail/m?ller??"


class Secretive(Exception):
    """An exception whose type's name is all that may be told of it."""

    def __str__(self) -> str:
        return "sesame-1"

    __repr__ = __str__


@pytest.mark.parametrize(
    "error", [KeyError("sesame-1"), ValueError(b"sesame-1"), Secretive(), OSError(2, "sesame-1", "sesame-1")]
)
def test_crash(host: Host, error: Exception) -> None:
    """A bug is told by its type and the lines that it came through, without its text, be that a password."""
    with pytest.raises(type(error)) as caught:
        _inner(error)
    log.crash(caught.value)
    there, inner = caught.value.__traceback__, _inner.__code__.co_firstlineno + 1
    assert there is not None
    assert written(host) == f"Internal error: {type(error).__name__} at test_log.py:{there.tb_lineno} test_log.py:{inner}"


def _inner(error: Exception) -> None:
    raise error

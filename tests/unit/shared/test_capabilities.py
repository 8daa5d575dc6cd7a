"""CAPA's list: RFC 2449."""

from __future__ import annotations

from popa3d.shared import capabilities


def test_list() -> None:
    """One tag a line, each known to the RFCs, once, without trailing blanks, between the first line and the final dot."""
    first, *lines, dot, nothing = capabilities.LIST.split(b"\r\n")
    assert (first[:4], dot, nothing) == (b"+OK ", b".", b"")
    assert lines == [b"TOP", b"UIDL", b"RESP-CODES", b"AUTH-RESP-CODE", b"PIPELINING", b"USER", b"SASL PLAIN"]

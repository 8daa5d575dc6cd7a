"""Headers of the PROXY protocol, which a proxy writes or whoever reaches its port; and what root is told of them."""

from __future__ import annotations

import ipaddress

from popa3d.shared import proxy_header, proxy_report
from popa3d.shared.address import numeric
from popa3d.shared.proxy_limits import PROXY_V1_OCTETS, PROXY_V2_OCTETS
from tests import proxies
from tests.fuzz.engine import Target
from tests.fuzz.targets.conversation import divided

_CHECKSUM = b"\x03\0\4"  # of a TLV of version 2: type and length
_PREFIXES = 120  # octets

Outcome = tuple[str, object]


def outcome(data: bytes) -> Outcome:
    """What is made of the octets so far."""
    try:
        header = proxy_header.parse(data)
    except proxy_header.Malformed as malformed:
        assert malformed.reason == proxy_header.REASONS[malformed.number]
        return "malformed", malformed.number
    if header is None:
        return "more", None
    assert 0 < header.octets <= min(len(data), PROXY_V2_OCTETS) and len(header.address) in (0, 16)
    return "header", (header.octets, header.address, header.tls)


def check_header(data: bytes) -> None:
    """However few octets come at a time the verdict is the same, and in time; an address is the one that is written."""
    last = _check_pieces(data)
    place = data.find(_CHECKSUM) + len(_CHECKSUM)
    if last == ("malformed", proxy_header.CHECKSUM) and _CHECKSUM in data:  # now with a right one, if it is that
        end = 16 + int.from_bytes(data[14:16], "big")
        check = proxy_header.crc32c(data[:place] + bytes(4) + data[place + 4 : end]).to_bytes(4, "big")
        _check_pieces(data[:place] + check + data[place + 4 :])


def _check_pieces(data: bytes) -> Outcome:
    last = outcome(data)
    for prefix in (*(data[:length] for length in range(min(len(data), _PREFIXES))), b"".join(divided(data)[:2])):
        early = outcome(prefix)
        assert early[0] in ("more", last[0]) and (early == last or early[0] != "header")
    if last[0] == "more":
        assert len(data) < (PROXY_V1_OCTETS if data[:1] == b"P" else PROXY_V2_OCTETS)
    if isinstance(last[1], tuple):
        octets, address, tls = last[1]
        assert outcome(data[:octets]) == last and outcome(data[:octets] + b"\0USER x\r\n") == last
        if data.startswith(b"PROXY "):
            _check_version_1(data[:octets], address)
            assert not tls
        else:
            _check_version_2(data[:octets], address)
        _check_told(address, tls)
    return last


def _check_version_1(header: bytes, address: bytes) -> None:
    assert header.endswith(b"\r\n") and header.count(b"\n") == 1 and len(header) <= PROXY_V1_OCTETS
    words = header[:-2].split(b" ")
    if words[1] == b"UNKNOWN":
        assert not address
        return
    source = ipaddress.ip_address(words[2].decode())
    mapped = source if isinstance(source, ipaddress.IPv6Address) else ipaddress.IPv6Address(f"::ffff:{source}")
    assert mapped.packed == address and (words[1] == b"TCP4") == (source.version == 4)
    assert [b"%d" % int(port) for port in words[4:]] == words[4:] and all(int(port) <= 65535 for port in words[4:])


def _check_version_2(header: bytes, address: bytes) -> None:
    assert header.startswith(proxies.SIGNATURE) and len(header) == 16 + int.from_bytes(header[14:16], "big")
    command, family = header[12:14]
    assert command in (proxies.LOCAL, proxies.PROXY)
    if command == proxies.LOCAL or family not in (proxies.TCP4, proxies.TCP6):
        assert not address
    else:
        assert address == (bytes(10) + b"\xff\xff" + header[16:20] if family == proxies.TCP4 else header[16:32])


def _check_told(address: bytes, tls: bool) -> None:
    """Claim that root is told that."""
    told = proxy_report.encode(proxy_report.CLIENT if address else proxy_report.PEER, tls, address)
    report = proxy_report.decode(told, len(proxy_header.REASONS))
    assert report is not None
    if address:
        client = ipaddress.IPv6Address(address)
        assert ipaddress.ip_address(report.address) == (client.ipv4_mapped or client)


def check_report(data: bytes) -> None:
    """A report that root takes is as it would be written, and its address is one in the form that the log has."""
    report = proxy_report.decode(data, len(proxy_header.REASONS))
    if report is None:
        return
    assert proxy_report.encode(report.outcome, report.number, data[2:]) == data
    assert not report.address or (numeric(report.address) == report.address and ipaddress.ip_address(report.address))


TARGETS = (
    Target(
        "proxy-header",
        check_header,
        (
            proxies.version_1("192.0.2.1"), proxies.version_1("2001:db8::1"), b"PROXY UNKNOWN x\r\nCAPA\r\n",
            proxies.of("192.0.2.1", proxies.ssl()), proxies.of("2001:db8::1", proxies.tlv(proxies.NOOP, b"x")),
            proxies.summed(proxies.addresses("192.0.2.1")), proxies.version_2(bytes(216), family=proxies.UNIX),
            proxies.version_2(b"", proxies.LOCAL, proxies.UNSPECIFIED),
        ),
        (
            b"PROXY ", b"TCP4", b"TCP6", b"UNKNOWN", b" ", b"\r\n", b"0", b"65535", b"::", b"::ffff:1.2.3.4", proxies.SIGNATURE,
            b"\x20", b"\x21", b"\x11", b"\0", _CHECKSUM, proxies.ssl(), b"\x04\0\2ab",
        ),
        700,
    ),
    Target(
        "proxy-report",
        check_report,
        (
            proxy_report.encode(proxy_report.CLIENT, 1, bytes(10) + b"\xff\xff\xc0\0\2\1"),
            proxy_report.encode(proxy_report.PEER), proxy_report.encode(proxy_report.BAD, 3),
            proxy_report.encode(proxy_report.LATE),
        ),
        (b"C", b"P", b"B", b"L", b"G", b"\0", b"\1"),
        40,
    ),
)  # fmt: skip

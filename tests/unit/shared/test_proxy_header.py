"""The parser of PROXY headers: each is given whole, octet by octet, and with more behind it; and every way to be none."""

from __future__ import annotations

import ipaddress
import random
import socket

import pytest

from popa3d.shared import proxy_header
from popa3d.shared.proxy_header import REASONS, Header, Malformed, parse
from popa3d.shared.proxy_limits import PROXY_V1_OCTETS, PROXY_V2_OCTETS
from tests import proxies
from tests.proxies import (
    CRC32C,
    LOCAL,
    NOOP,
    PROXY,
    SIGNATURE,
    TCP4,
    TCP6,
    UNIQUE_ID,
    UNIX,
    UNSPECIFIED,
    addresses,
    of,
    ssl,
    summed,
    tlv,
    version_1,
    version_2,
)

# What may be behind a header: it belongs to the session.
TRAILING = (b"", b"\r\n", b"CAPA\r\n", b"\n", b"\0\xff", b"PROXY TCP4 1.2.3.4 1.2.3.4 1 1\r\n", SIGNATURE + b"\x21\x11\0\0")

V4 = addresses("192.0.2.1")
V6 = addresses("2001:db8::1")
LONGEST = "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"


def read(header: Header | None) -> tuple[str, bool]:
    """What a header says: the address (mapped ones as IPv4; empty: the real peer), and whether there is TLS."""
    assert header is not None
    if not header.address:
        return "", header.tls
    address = ipaddress.IPv6Address(header.address)
    return str(address.ipv4_mapped or address), header.tls


GOOD = {
    # Version 1.
    version_1("192.0.2.1"): ("192.0.2.1", False),
    version_1("0.0.0.0", "255.255.255.255", 0, 65535): ("0.0.0.0", False),
    version_1("2001:db8::1"): ("2001:db8::1", False),
    version_1("2001:0DB8::1", "::", 65535, 0): ("2001:db8::1", False),
    version_1("::ffff:192.0.2.1"): ("192.0.2.1", False),
    version_1("192.0.2.1", "192.0.2.1"): ("192.0.2.1", False),  # a check of HAProxy's
    version_1(LONGEST, LONGEST, 65535, 65535): (LONGEST, False),
    b"PROXY UNKNOWN\r\n": ("", False),
    b"PROXY UNKNOWN \r\n": ("", False),
    b"PROXY UNKNOWN 192.0.2.1 anything \r at all\r\n": ("", False),
    b"PROXY UNKNOWN " + f"{LONGEST} {LONGEST} 65535 65535\r\n".encode(): ("", False),  # the longest of the specification
    # Version 2.
    of("192.0.2.1"): ("192.0.2.1", False),
    of("2001:db8::1"): ("2001:db8::1", False),
    of("::ffff:192.0.2.1"): ("192.0.2.1", False),
    version_2(b"", LOCAL, UNSPECIFIED): ("", False),
    version_2(V4, LOCAL, TCP4): ("", False),
    version_2(b"anything", LOCAL, 0xFF): ("", False),
    version_2(b"", PROXY, UNSPECIFIED): ("", False),
    version_2(b"anything" + ssl(), PROXY, UNSPECIFIED): ("", False),  # where would TLVs begin?
    version_2(bytes(216), PROXY, UNIX): ("", False),
    version_2(bytes(216) + ssl(), PROXY, UNIX): ("", True),
    # With TLVs.
    of("192.0.2.1", ssl()): ("192.0.2.1", True),
    of("192.0.2.1", ssl(0x07)): ("192.0.2.1", True),
    of("192.0.2.1", ssl(0x06)): ("192.0.2.1", False),
    of("192.0.2.1", ssl(0x00)): ("192.0.2.1", False),
    of("192.0.2.1", tlv(proxies.SSL, b"\1\0\0\0\0")): ("192.0.2.1", True),
    of("2001:db8::1", tlv(NOOP, b"") + tlv(UNIQUE_ID, b"x" * 128) + ssl() + tlv(0xEE, bytes(300))): ("2001:db8::1", True),
    of("192.0.2.1", tlv(NOOP, ssl())): ("192.0.2.1", False),
    summed(V4): ("192.0.2.1", False),
    summed(V4 + ssl() + tlv(UNIQUE_ID, b"1")): ("192.0.2.1", True),
    summed(V6, TCP6): ("2001:db8::1", False),
    of("192.0.2.1", tlv(NOOP, bytes(PROXY_V2_OCTETS - 16 - 12 - 3))): ("192.0.2.1", False),
}  # fmt: skip


@pytest.mark.parametrize("octets", GOOD, ids=lambda octets: repr(octets)[:60])
def test_headers(octets: bytes) -> None:
    """Each is taken as soon as it is complete, and not before; what is behind it changes nothing and stays."""
    for end in range(len(octets)):
        assert parse(octets[:end]) is None
    for trailing in TRAILING:
        header = parse(octets + trailing)
        assert read(header) == GOOD[octets]
        assert header is not None and (octets + trailing)[header.octets :] == trailing


def line(*words: str) -> bytes:
    """A line of version 1."""
    return " ".join(["PROXY", *words]).encode() + b"\r\n"


BAD = {
    # Neither.
    b"CAPA\r\n": proxy_header.NO_HEADER,
    b"\x16\x03\x01\x02\x00": proxy_header.NO_HEADER,  # TLS
    b"\r\n": None,  # which is the beginning of version 2
    b"\r\nCAPA\r\n": proxy_header.NO_HEADER,
    b"proxy TCP4 192.0.2.1 192.0.2.2 1 2\r\n": proxy_header.NO_HEADER,
    b"PROXY\r\n": proxy_header.NO_HEADER,
    b"PROXY\tTCP4 192.0.2.1 192.0.2.2 1 2\r\n": proxy_header.NO_HEADER,
    SIGNATURE[:-1] + b"\r": proxy_header.NO_HEADER,
    # Version 1.
    b"PROXY TCP4 192.0.2.1 192.0.2.2 1 2\n": proxy_header.LINE_END,
    b"PROXY \n": proxy_header.LINE_END,
    b"PROXY \r\n": proxy_header.WORDS,
    b"PROXY UNKNOWNS\r\n": proxy_header.WORDS,
    b"PROXY  UNKNOWN\r\n": proxy_header.WORDS,
    b"PROXY UNKNOWN" + b"x" * (PROXY_V1_OCTETS - 13): proxy_header.TOO_LONG,
    b"PROXY UNKNOWN " + b"x" * (PROXY_V1_OCTETS - 15) + b"\r\n": proxy_header.TOO_LONG,
    line("TCP4", "192.0.2.1", "192.0.2.2", "1"): proxy_header.WORDS,
    line("TCP4", "192.0.2.1", "192.0.2.2", "1", "2", "3"): proxy_header.WORDS,
    line("TCP4", "192.0.2.1", "192.0.2.2", "1", "2", ""): proxy_header.WORDS,
    line("TCP4", "192.0.2.1", "", "192.0.2.2", "1", "2"): proxy_header.WORDS,
    line("tcp4", "192.0.2.1", "192.0.2.2", "1", "2"): proxy_header.WORDS,
    line("TCP5", "192.0.2.1", "192.0.2.2", "1", "2"): proxy_header.WORDS,
    line("UDP4", "192.0.2.1", "192.0.2.2", "1", "2"): proxy_header.WORDS,
    line("TCP4", "192.0.2.1\r", "192.0.2.2", "1", "2"): proxy_header.ADDRESS,
    line("TCP4", "192.0.2.01", "192.0.2.2", "1", "2"): proxy_header.ADDRESS,
    line("TCP4", "192.0.2.1", "192.0.2.256", "1", "2"): proxy_header.ADDRESS,
    line("TCP4", "192.0.2", "192.0.2.2", "1", "2"): proxy_header.ADDRESS,
    line("TCP4", "192.0.2.1\0", "192.0.2.2", "1", "2"): proxy_header.ADDRESS,
    line("TCP4", "2001:db8::1", "192.0.2.2", "1", "2"): proxy_header.ADDRESS,
    line("TCP4", "192.0.2.1", "2001:db8::1", "1", "2"): proxy_header.ADDRESS,
    line("TCP6", "192.0.2.1", "2001:db8::1", "1", "2"): proxy_header.ADDRESS,
    line("TCP6", "fe80::1%lo", "2001:db8::1", "1", "2"): proxy_header.ADDRESS,
    line("TCP6", "2001:db8::1::", "2001:db8::1", "1", "2"): proxy_header.ADDRESS,
    "PROXY TCP4 192.0.2.\u0661 192.0.2.2 1 2\r\n".encode(): proxy_header.ADDRESS,
    line("TCP4", "192.0.2.1", "192.0.2.2", "65536", "2"): proxy_header.PORT,
    line("TCP4", "192.0.2.1", "192.0.2.2", "1", "01"): proxy_header.PORT,
    line("TCP4", "192.0.2.1", "192.0.2.2", "00", "1"): proxy_header.PORT,
    line("TCP4", "192.0.2.1", "192.0.2.2", "+1", "1"): proxy_header.PORT,
    line("TCP4", "192.0.2.1", "192.0.2.2", "1", "2\r"): proxy_header.PORT,
    line("TCP4", "192.0.2.1", "192.0.2.2", "", "2"): proxy_header.PORT,
    line("TCP4", "192.0.2.1", "192.0.2.2", "1", "9" * 60): proxy_header.PORT,
    line("TCP4", "192.0.2.1", "192.0.2.2", "1", "\u00b2"): proxy_header.PORT,
    # Version 2.
    version_2(V4, 0x22): proxy_header.COMMAND,
    version_2(V4, 0x11): proxy_header.COMMAND,
    version_2(V4, 0x31): proxy_header.COMMAND,
    version_2(b"", 0x00, UNSPECIFIED): proxy_header.COMMAND,
    version_2(V4, family=0x12): proxy_header.FAMILY,  # UDP
    version_2(V4, family=0x10): proxy_header.FAMILY,
    version_2(V6, family=0x22): proxy_header.FAMILY,
    version_2(bytes(216), family=0x32): proxy_header.FAMILY,
    version_2(bytes(300), family=0x41): proxy_header.FAMILY,
    version_2(b"", family=TCP4): proxy_header.TOO_SHORT,
    version_2(V4[:-1], family=TCP4): proxy_header.TOO_SHORT,
    version_2(V6[:-1], family=TCP6): proxy_header.TOO_SHORT,
    version_2(bytes(215), family=UNIX): proxy_header.TOO_SHORT,
    SIGNATURE + b"\x21\x11\xff\xff": proxy_header.TOO_LONG,
    of("192.0.2.1", tlv(NOOP, bytes(PROXY_V2_OCTETS - 16 - 12 - 2))): proxy_header.TOO_LONG,
    SIGNATURE + b"\x20\x00\xff\xff": proxy_header.TOO_LONG,
    of("192.0.2.1", b"\4"): proxy_header.EXTENSIONS,
    of("192.0.2.1", b"\4\0"): proxy_header.EXTENSIONS,
    of("192.0.2.1", b"\4\0\1"): proxy_header.EXTENSIONS,
    of("192.0.2.1", b"\4\0\0\4\0"): proxy_header.EXTENSIONS,
    of("192.0.2.1", tlv(CRC32C, b"\0\0\0")): proxy_header.EXTENSIONS,
    of("192.0.2.1", tlv(CRC32C, bytes(5))): proxy_header.EXTENSIONS,
    of("192.0.2.1", tlv(proxies.SSL, b"\1\0\0\0")): proxy_header.EXTENSIONS,
    of("192.0.2.1", tlv(proxies.SSL, b"\1\0\0\0\0\x21\0\1")): proxy_header.EXTENSIONS,
    of("192.0.2.1", ssl() + ssl(0)): proxy_header.EXTENSIONS,
    summed(V4 + tlv(CRC32C, bytes(4))): proxy_header.CHECKSUM,
    summed(V4, spoiled=True): proxy_header.CHECKSUM,
    version_2(V4 + tlv(CRC32C, bytes(4))): proxy_header.CHECKSUM,
}  # fmt: skip


def early(octets: bytes) -> int | None:
    """Why the first part of some octets that is refused is refused, if they are before they are whole."""
    for end in range(len(octets)):
        try:
            assert parse(octets[:end]) is None
        except Malformed as malformed:
            return malformed.number
    return None


@pytest.mark.parametrize("octets", BAD, ids=lambda octets: repr(octets)[:60])
def test_no_headers(octets: bytes) -> None:
    """Each is refused for its reason, whole or octet by octet, and stays so whatever comes behind it."""
    if BAD[octets] is None:
        assert parse(octets) is None
        return
    with pytest.raises(Malformed) as whole:
        parse(octets)
    assert (whole.value.number, whole.value.reason) == (BAD[octets], REASONS[whole.value.number])
    for trailing in TRAILING:
        with pytest.raises(Malformed):
            parse(octets + trailing)
    assert early(octets) in (None, BAD[octets])


def test_edges_of_version_1() -> None:
    """A line of 107 octets is taken, with its CRLF; one more is too long."""
    line = b"PROXY UNKNOWN " + b"x" * (PROXY_V1_OCTETS - 16) + b"\r\n"
    assert len(line) == 107 and parse(line) is not None
    with pytest.raises(Malformed):
        parse(line[:-2] + b"x\r\n")


def test_checksum() -> None:
    """The CRC-32C of RFC 3720's examples, and of anything as it is computed bit by bit."""
    assert proxy_header.crc32c(b"123456789") == 0xE3069283
    assert proxy_header.crc32c(bytes(32)) == 0x8A9136AA
    assert proxy_header.crc32c(b"\xff" * 32) == 0x62A8AB43
    assert proxy_header.crc32c(bytes(range(32))) == 0x46DD794E
    seeded = random.Random(7)
    for size in range(200):
        data = seeded.randbytes(size)
        assert proxy_header.crc32c(data) == proxies.crc32c(data)


def test_a_spoiled_octet() -> None:
    """With a checksum no octet of the addresses, of a value or of the checksum can change without being noticed."""
    header = summed(V4 + tlv(UNIQUE_ID, b"12345678"))
    start, kind, behind = len(SIGNATURE) + 4, len(V4), len(header) - 4
    for i in (*range(start, start + kind), *range(start + kind + 3, behind - 3), *range(behind, len(header))):
        for bit in range(8):
            with pytest.raises(Malformed) as refused:
                parse(header[:i] + bytes([header[i] ^ 1 << bit]) + header[i + 1 :])
            assert refused.value.number == proxy_header.CHECKSUM


def test_random_addresses() -> None:
    """Addresses are those that the socket module reads in version 1, and those that were packed in version 2."""
    seeded = random.Random(11)
    for _ in range(500):
        for family, octets in ((socket.AF_INET, 4), (socket.AF_INET6, 16)):
            text = socket.inet_ntop(family, seeded.randbytes(octets))
            assert read(parse(version_1(text))) == read(parse(of(text)))
            expected = ipaddress.ip_address(text)
            mapped = getattr(expected, "ipv4_mapped", None)
            assert read(parse(of(text)))[0] == str(mapped or expected)


def test_garbage() -> None:
    """Whatever comes, there is a header, more is waited for, or it is refused; and never for more than the bounds."""
    seeded = random.Random(13)
    starts = (b"", b"PROXY ", b"PROXY TCP4 1.2.3.4 ", SIGNATURE, SIGNATURE + b"\x21\x11", SIGNATURE + b"\x21\x11\0\x30")
    for _ in range(5000):
        octets = seeded.choice(starts) + seeded.randbytes(seeded.randrange(120))
        try:
            header = parse(octets)
        except Malformed:
            continue
        if header is None:
            assert len(octets) < (PROXY_V1_OCTETS if octets.startswith(b"PROXY ") else PROXY_V2_OCTETS)
        else:
            assert header.octets <= len(octets)

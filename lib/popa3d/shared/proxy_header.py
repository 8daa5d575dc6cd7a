"""The header of the PROXY protocol, versions 1 and 2, without a connection: octets in, who the client is out.

The specification is HAProxy's doc/proxy-protocol.txt, section 2. A header is taken exactly as that has it, or not at all:
whoever guesses what an unusual one means may take the address that a client has written for one that a proxy has.

Runs as: any uid; for connections it is popa3d or popa3d-tls, chrooted to an empty directory.
Trusts: nobody.
"""

import _socket  # only to read addresses

from . import Failure
from .proxy_limits import PROXY_V1_OCTETS, PROXY_V2_OCTETS

_V1 = b"PROXY "
_V2 = b"\r\n\r\n\0\r\nQUIT\n"
_V2_FIXED = len(_V2) + 4  # with version and command, family, and the length of the rest
_MAPPED = bytes(10) + b"\xff\xff"  # an IPv4 address as an IPv6 address

_LOCAL, _PROXY = 0x20, 0x21
_UNKNOWN_FAMILY, _UNIX = 0x00, 0x31
_TCP4, _TCP6 = 0x11, 0x21
_ADDRESSES_OCTETS = {_TCP4: 2 * (4 + 2), _TCP6: 2 * (16 + 2), _UNIX: 2 * 108}

_CRC32C, _SSL = 0x03, 0x20  # PP2_TYPE_
_CLIENT_SSL = 0x01  # PP2_CLIENT_
_SSL_FIXED = 1 + 4  # before the TLVs inside it

# CRC-32C (RFC 3720 appendix B.4), for four bits at a time: zlib has another polynomial.
_CRC_BITS = (
    0x00000000, 0x105EC76F, 0x20BD8EDE, 0x30E349B1, 0x417B1DBC, 0x5125DAD3, 0x61C69362, 0x7198540D,
    0x82F63B78, 0x92A8FC17, 0xA24BB5A6, 0xB21572C9, 0xC38D26C4, 0xD3D3E1AB, 0xE330A81A, 0xF36E6F75,
)  # fmt: skip

# Why a header is refused: an index into this goes to root, which logs the text.
REASONS = (
    "it is neither of version 1 nor of version 2",
    "it ends too early",
    "it is too long",
    "its line does not end in CRLF",
    "its line has not the right words",
    "an address is none of its family",
    "a port is no number from 0 to 65535",
    "its command is not known",
    "its family is not known, or not for TCP",
    "it is too short for its addresses",
    "what is behind the addresses is malformed",
    "its checksum is wrong",
)
(
    NO_HEADER, CUT_SHORT, TOO_LONG, LINE_END, WORDS, ADDRESS, PORT, COMMAND, FAMILY, TOO_SHORT, EXTENSIONS, CHECKSUM,
) = range(len(REASONS))  # fmt: skip


class Malformed(Failure):
    """No header. number: of the reason in REASONS."""

    def __init__(self, number: int) -> None:
        super().__init__(REASONS[number])
        self.number = number


class Header:
    """What a header says. address: the client's, as an IPv6 address of 16 octets; none if the real peer counts.

    tls: the client's connection to the proxy has TLS. octets: how many the header has.
    """

    __slots__ = ("address", "octets", "tls")

    def __init__(self, octets: int, address: bytes = b"", tls: bool = False) -> None:
        self.octets = octets
        self.address = address
        self.tls = tls


def parse(data: bytes) -> Header | None:
    """The header at the start of `data`; None if more must come. Raises Malformed as soon as it can be no header."""
    if data[: len(_V1)] == _V1[: len(data)]:
        return _version_1(data)
    if data[: len(_V2)] == _V2[: len(data)]:
        return _version_2(data)
    raise Malformed(NO_HEADER)


def _version_1(data: bytes) -> Header | None:
    end = data.find(b"\n", 0, PROXY_V1_OCTETS)
    if end < 0:
        if len(data) >= PROXY_V1_OCTETS:
            raise Malformed(TOO_LONG)
        return None
    if data[end - 1 : end] != b"\r":
        raise Malformed(LINE_END)
    words = data[: end - 1].split(b" ")
    if words[1] == b"UNKNOWN":
        return Header(end + 1)
    if len(words) != 6 or words[1] not in (b"TCP4", b"TCP6"):
        raise Malformed(WORDS)
    family = _socket.AF_INET if words[1] == b"TCP4" else _socket.AF_INET6
    address, _ = (_packed(family, word) for word in words[2:4])
    for word in words[4:]:
        if not word.isdigit() or len(word) > 5 or (word[:1] == b"0" and word != b"0") or int(word) > 65535:
            raise Malformed(PORT)
    return Header(end + 1, address)


def _packed(family: int, text: bytes) -> bytes:
    """The 16 octets of a numeric address. As the specification wants it, inet_pton(3) takes no leading zeros of IPv4."""
    try:
        packed = _socket.inet_pton(family, text.decode("ascii"))
    except (OSError, ValueError):
        raise Malformed(ADDRESS) from None
    return packed if len(packed) == 16 else _MAPPED + packed


def _version_2(data: bytes) -> Header | None:
    if len(data) > len(_V2) and data[len(_V2)] not in (_LOCAL, _PROXY):
        raise Malformed(COMMAND)
    if len(data) < _V2_FIXED:
        return None
    end = _V2_FIXED + int.from_bytes(data[_V2_FIXED - 2 : _V2_FIXED], "big")
    if end > PROXY_V2_OCTETS:
        raise Malformed(TOO_LONG)
    if len(data) < end:
        return None
    command, family = data[len(_V2)], data[len(_V2) + 1]
    if command == _LOCAL or family == _UNKNOWN_FAMILY:
        return Header(end)  # the specification wants the rest ignored
    if family not in _ADDRESSES_OCTETS:
        raise Malformed(FAMILY)
    behind = _V2_FIXED + _ADDRESSES_OCTETS[family]
    if behind > end:
        raise Malformed(TOO_SHORT)
    tls = _extensions(data[:end], behind)
    if family == _TCP4:
        return Header(end, _MAPPED + data[_V2_FIXED : _V2_FIXED + 4], tls)
    return Header(end, data[_V2_FIXED : _V2_FIXED + 16] if family == _TCP6 else b"", tls)


def _extensions(header: bytes, start: int) -> bool:
    """Whether the TLVs from `start` on say that the client has TLS. Checks the checksum, if it is there. Raises Malformed."""
    tls = False
    seen = set()
    for kind, value, end in _tlvs(header, start):
        if kind in (_CRC32C, _SSL):
            if kind in seen:
                raise Malformed(EXTENSIONS)  # which of them would count?
            seen.add(kind)
        if kind == _CRC32C:
            if len(value) != 4:
                raise Malformed(EXTENSIONS)
            if int.from_bytes(value, "big") != crc32c(header[: end - 4] + bytes(4) + header[end:]):
                raise Malformed(CHECKSUM)
        elif kind == _SSL:
            if len(value) < _SSL_FIXED:
                raise Malformed(EXTENSIONS)
            _tlvs(value, _SSL_FIXED)
            tls = bool(value[0] & _CLIENT_SSL)
    return tls


def _tlvs(data: bytes, start: int) -> list[tuple[int, bytes, int]]:
    """Type, value and end of each TLV from `start` to the end, where the last one must end. Raises Malformed."""
    found = []
    while start < len(data):
        end = start + 3 + int.from_bytes(data[start + 1 : start + 3], "big")
        if start + 3 > len(data) or end > len(data):
            raise Malformed(EXTENSIONS)
        found.append((data[start], data[start + 3 : end], end))
        start = end
    return found


def crc32c(data: bytes) -> int:
    """The CRC-32C of some octets."""
    crc = 0xFFFFFFFF
    for octet in data:
        crc ^= octet
        crc = (crc >> 4) ^ _CRC_BITS[crc & 15]
        crc = (crc >> 4) ^ _CRC_BITS[crc & 15]
    return crc ^ 0xFFFFFFFF

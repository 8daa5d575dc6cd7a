"""Headers of the PROXY protocol, as proxies write them, for tests."""

from __future__ import annotations

import ipaddress
import struct

SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"
LOCAL, PROXY = 0x20, 0x21
UNSPECIFIED, TCP4, TCP6, UNIX = 0x00, 0x11, 0x21, 0x31
CRC32C, NOOP, UNIQUE_ID, SSL = 0x03, 0x04, 0x05, 0x20


def version_1(source: str, target: str = "", source_port: int = 56324, target_port: int = 110) -> bytes:
    """A line with two addresses of one family."""
    ipv6 = ":" in source
    target = target or ("2001:db8::110" if ipv6 else "192.0.2.110")
    return f"PROXY TCP{6 if ipv6 else 4} {source} {target} {source_port} {target_port}\r\n".encode()


def version_2(rest: bytes, command: int = PROXY, family: int = TCP4, length: int | None = None) -> bytes:
    """A header with anything behind its fixed part."""
    return SIGNATURE + struct.pack("!BBH", command, family, len(rest) if length is None else length) + rest


def addresses(source: str, target: str = "", source_port: int = 56324, target_port: int = 110) -> bytes:
    """The addresses and ports of version 2."""
    packed = ipaddress.ip_address(source).packed
    other = ipaddress.ip_address(target).packed if target else bytes(len(packed))
    return packed + other + struct.pack("!HH", source_port, target_port)


def tlv(kind: int, value: bytes) -> bytes:
    """A TLV."""
    return struct.pack("!BH", kind, len(value)) + value


def ssl(client: int = 0x01, inner: bytes = b"") -> bytes:
    """The TLV that says whether the client has TLS, as HAProxy 2.6 fills it in."""
    return tlv(SSL, struct.pack("!BI", client, 0) + (inner or tlv(0x21, b"TLSv1.3")))


def crc32c(data: bytes) -> int:
    """The CRC-32C, bit by bit."""
    crc = 0xFFFFFFFF
    for octet in data:
        crc ^= octet
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


def summed(rest: bytes, family: int = TCP4, spoiled: bool = False) -> bytes:
    """A header that ends in its checksum."""
    header = version_2(rest + tlv(CRC32C, bytes(4)), family=family)
    return header[:-4] + struct.pack("!I", crc32c(header) ^ spoiled)


def of(source: str, behind: bytes = b"") -> bytes:
    """Version 2 with this client, and TLVs."""
    return version_2(addresses(source) + behind, family=TCP6 if ":" in source else TCP4)

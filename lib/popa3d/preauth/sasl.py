"""SASL's mechanism PLAIN, RFC 4616, in the base64 of RFC 5034.

Runs as: popa3d, chrooted to an empty directory.
Trusts: nobody.
"""

from binascii import a2b_base64, b2a_base64


def decode(text: bytes) -> bytes | None:
    """The octets that `text` is in base64, or None unless it is exactly as RFC 4648 section 4 writes them.

    So there is no white space, "=" stands at the end only and as often as it must, and unused bits are zero.
    """
    try:
        octets = a2b_base64(text)
    except ValueError:
        return None
    return octets if b2a_base64(octets, newline=False) == text else None


def plain(message: bytes) -> tuple[bytes, bytes, bytes] | None:
    """PLAIN's three parts: who to become (may be empty), who one is, and the password. None if there are fewer or more."""
    parts = message.split(b"\0")
    if len(parts) != 3 or not parts[1] or not parts[2]:
        return None
    identity, user, password = parts
    return identity, user, password

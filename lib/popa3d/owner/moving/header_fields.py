"""The header fields in which other servers keep unique-ids. Pure.

Runs as: the mailbox owner.
Trusts: nobody; headers are bounded by the caller.
"""

_BLANKS = b" \t\r\n"

# With the LF before them, in lower case.
X_IMAP, X_IMAPBASE, X_UID, X_UIDL = b"\nx-imap:", b"\nx-imapbase:", b"\nx-uid:", b"\nx-uidl:"


def header_of(text: bytes, crlf: bool) -> bytes:
    """The header of a message that begins with `text`, up to its empty line. crlf: as in Index."""
    text = b"\n" + text
    ends = [end for end in (text.find(b"\n\n"), text.find(b"\n\r\n") if crlf else -1) if end >= 0]
    return text[1 : min(ends) + 1] if ends else text[1:]


def values(header: bytes, *names: bytes) -> list[tuple[bytes, bytes]]:
    """The fields with these names in their order, as (name, value); continuation lines belong to the value."""
    text = b"\n" + header
    lower = text.lower()
    found = []
    for name in names:
        start = lower.find(name)
        while start >= 0:
            end = text.find(b"\n", start + 1)
            while end >= 0 and text.startswith((b" ", b"\t"), end + 1):
                end = text.find(b"\n", end + 1)
            found.append((start, name, text[start + len(name) : end if end >= 0 else len(text)].strip(_BLANKS)))
            start = lower.find(name, start + 1)
    return [(name, value) for _, name, value in sorted(found)]

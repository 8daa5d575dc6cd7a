"""The message that c-client (pine, UW imapd) and Dovecot keep first in a mailbox, for the numbers that IMAP needs.

Runs as: the mailbox owner.
Trusts: nobody; anybody can send such a message, but it is hidden only where it is the very first, as in Dovecot.
"""

from . import METADATA_SUBJECT

_SUBJECT = b"\nsubject:"
_FIELDS = (b"\nx-imap:", b"\nx-imapbase:")


def is_metadata(header: bytes) -> bool:
    """Whether a header is that of such a message: its first Subject is METADATA_SUBJECT, and it has one of _FIELDS."""
    text = b"\n" + header
    lower = text.lower()
    field = lower.find(_SUBJECT)
    subject = text[field + len(_SUBJECT) :].partition(b"\n")[0] if field >= 0 else b""
    return subject.strip() == METADATA_SUBJECT and any(name in lower for name in _FIELDS)

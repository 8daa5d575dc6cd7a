"""The message that c-client (pine, UW imapd) and Dovecot keep first in a mailbox, for the numbers that IMAP wants.

Runs as: the mailbox owner.
Trusts: nobody; who sends such a message hides it from those to whom it comes as the very first, as it is in Dovecot.
"""

from .parser import SUBJECT

_SUBJECT = b"\nsubject:"
_FIELDS = (b"\nx-imap:", b"\nx-imapbase:")


def is_metadata(header: bytes) -> bool:
    """Whether a message with this header is one: it has one of the two fields, and that subject."""
    text = b"\n" + header
    names = text.lower()
    at = names.find(_SUBJECT)
    subject = text[at + len(_SUBJECT) :].partition(b"\n")[0] if at >= 0 else b""
    return subject.strip() == SUBJECT and any(name in names for name in _FIELDS)

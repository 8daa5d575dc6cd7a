"""The unique-ids that Dovecot, UW's ipop3d and qpopper give, from the fields that they write into a mailbox. Pure.

Dovecot (mbox-sync-parse.c) and UW (c-client's unix.c) keep "X-IMAPbase: VALIDITY LAST" in the first message, or X-IMAP in one
that is no mail, and X-UID in each that a client was shown. A number counts if it comes after X-IMAPbase, is greater than the
one before, and at most LAST; in Dovecot also if it is the next one. From the first message on whose number does not count,
they would number anew. qpopper keeps the unique-id itself, in X-UIDL. A message without any of these fields was never listed.

Runs as: the mailbox owner.
Trusts: nobody.
"""

from ..index.id_map import is_unique_id
from .header_fields import X_IMAP, X_IMAPBASE, X_UID, X_UIDL, values

TYPE_CHECKING = False  # the typing module would cost start-up time
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    Reader = Callable[[bytes, Iterable[bytes]], "OldIds"]

_HIGHEST = 2**32 - 1
_QPOPPER_OCTETS = range(11, 33)  # of a unique-id that qpopper takes from the field


class OldIds:
    """What was found. ids: a unique-id for each message, or empty. faults: (number of a message from 0, what is wrong with it).

    Messages without an id and without a fault are new: the old server has not listed them.
    """

    def __init__(self) -> None:
        self.ids: list[bytes] = []
        self.faults: list[tuple[int, str]] = []


def dovecot(hidden: bytes, headers: "Iterable[bytes]") -> OldIds:
    """Those of Dovecot's default, pop3_uidl_format = %08Xu%08Xv.

    hidden: the header of a first message that is no mail, and not among the headers; or empty.
    """
    return _numbered(hidden, headers, is_dovecot=True)


def uw(hidden: bytes, headers: "Iterable[bytes]") -> OldIds:
    """Those of UW's ipop3d."""
    return _numbered(hidden, headers, is_dovecot=False)


def qpopper(_hidden: bytes, headers: "Iterable[bytes]") -> OldIds:
    """Those of qpopper."""
    found = OldIds()
    for number, header in enumerate(headers):
        texts = {value for _, value in values(header, X_UIDL)}
        old = texts.pop() if len(texts) == 1 else b""
        if len(old) not in _QPOPPER_OCTETS or not is_unique_id(old):
            if old:
                found.faults.append((number, "its X-UIDL is none of qpopper's"))
            elif texts:
                found.faults.append((number, "it has more than one X-UIDL"))
            old = b""
        found.ids.append(old)
    return found


SERVERS: "dict[str, Reader]" = {"dovecot": dovecot, "uw": uw, "qpopper": qpopper}


def _numbered(hidden: bytes, headers: "Iterable[bytes]", is_dovecot: bool) -> OldIds:
    found = OldIds()
    base = _Base()
    base.read(values(hidden, X_IMAP, X_IMAPBASE))
    last_number = stopped = 0
    for number, header in enumerate(headers):
        found.ids.append(b"")
        fields = values(header, X_IMAP, X_IMAPBASE, X_UID)
        has_uid = any(name == X_UID for name, _ in fields)
        if number == 0 and not hidden:
            fields = base.read(fields)
            if is_dovecot and base.is_hidden:
                continue  # Dovecot does not list such a message, whatever its subject
        uids = [_number(value) for name, value in fields if name == X_UID]
        uid = 0 if stopped else base.counting(uids, last_number, is_dovecot)
        if uid:
            last_number = uid
            numbers = (uid, base.validity) if is_dovecot else (base.validity, uid)
            found.ids[-1] = b"%08x%08x" % numbers
            continue
        stopped = stopped or number + 1
        if has_uid:
            found.faults.append(
                (number, f"its X-UID does not count{'' if stopped > number else f', as that of message {stopped}'}")
            )
    return found


class _Base:
    """X-IMAPbase. validity: 0 if there is none. last: the highest number that was given. is_hidden: X-IMAP has told it."""

    def __init__(self) -> None:
        self.validity = self.last = 0
        self.is_hidden = False

    def read(self, fields: list[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
        """Take it from the fields of the first message. Returns those that follow it; none if it is not there."""
        for i, (name, value) in enumerate(fields):
            words = value.split()
            if name != X_UID and len(words) >= 2 and _number(words[0]) and words[1].isdigit():
                self.validity, self.last = _number(words[0]), int(words[1][:10])
                self.is_hidden = name == X_IMAP
                return fields[i + 1 :]
        return []

    def counting(self, uids: list[int], before: int, is_dovecot: bool) -> int:
        """The number among those of a message that counts, or 0. before: that of the message before."""
        if not self.validity or (len(uids) > 1 and not is_dovecot):
            return 0
        for uid in uids:
            if is_dovecot and uid == self.last + 1:
                self.last = uid
            if before < uid <= self.last:
                return uid
        return 0


def _number(text: bytes) -> int:
    """A number in digits, below 2^32; 0 if it is none."""
    return int(text) if text.isdigit() and len(text) <= 10 and int(text) <= _HIGHEST else 0

"""Unique-ids that another server gave to messages of this mailbox before popa3d came, so that clients do not fetch these again.

A map has messages in the order of the mailbox, up to the last one that has such an id. Each is known by the unique-id that
popa3d gives it. So mail that comes later is not in the map, whatever it claims.

Runs as: the mailbox owner.
Trusts: nobody; the map is the owner's, and its lengths are checked before it is used.
"""

import _md5
from itertools import chain, compress, islice

from ...shared.migration_limits import UNIQUE_ID_OCTETS
from . import copies
from .index import Index
from .remaining import digests_of_copies, kept_runs
from .unique_id import ID_OCTETS, texts, unique_ids

TYPE_CHECKING = False  # the typing module would cost start-up time
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

_VISIBLE = bytes(range(0x21, 0x7F))
_IS_ZERO = b"\1" + bytes(255)  # for bytes.translate
_TEXT_OCTETS = 2 * ID_OCTETS  # of popa3d's ids, in hexadecimal


def is_unique_id(text: bytes) -> bool:
    """Whether RFC 1939 section 7 allows this as a unique-id."""
    return 0 < len(text) <= UNIQUE_ID_OCTETS and not text.translate(None, _VISIBLE)


class IdMap:
    """The map. For each of its messages: ids has popa3d's unique-id (ID_OCTETS), lengths how long the old one is, or 0 if it
    has none (an octet), and text has the old ones, one after the other.
    """

    __slots__ = ("_number", "_offset", "ids", "lengths", "text")

    def __init__(self, ids: bytes, lengths: bytes, text: bytes) -> None:
        """Messages at the end without an old unique-id are left out."""
        self.lengths = lengths.rstrip(b"\0")
        self.ids = ids[: ID_OCTETS * len(self.lengths)]
        self.text = text
        self._number = self._offset = 0  # where in `text` the id of a message begins, to go on from there

    def __len__(self) -> int:
        return len(self.lengths)

    def count(self) -> int:
        """How many messages have an old unique-id."""
        return len(self.lengths) - self.lengths.count(0)

    def is_sound(self) -> bool:
        """Whether the parts fit together, and old unique-ids are such as RFC 1939 allows."""
        return (
            len(self.ids) == ID_OCTETS * len(self.lengths)
            and max(self.lengths, default=0) <= UNIQUE_ID_OCTETS
            and sum(self.lengths) == len(self.text)
            and not self.text.translate(None, _VISIBLE)
        )

    def old_ids(self, first: int, end: int) -> "Iterator[bytes]":
        """The old unique-ids of messages first to end - 1 of the map, as far as it goes; empty where there is none."""
        if first < self._number:
            self._number = self._offset = 0
        offset = self._offset + sum(self.lengths[self._number : first])
        self._number, self._offset = first, offset
        for length in self.lengths[first:end]:
            yield self.text[offset : offset + length]
            offset += length

    def aligned(self, ids: bytes) -> "IdMap":
        """This map for a mailbox whose messages have these unique-ids of popa3d's: its n-th message is the mailbox's."""
        if ids.startswith(self.ids):
            return self
        # Another program has removed messages, or sorted them. After the next update the map is in order again.
        known = dict(zip(_values(self.ids), self.old_ids(0, len(self)), strict=True))
        old = [known.get(value, b"") for value in _values(ids)]
        return make_map(ids, old)

    def after(self, deleted: bytearray, ids: bytes) -> "IdMap":
        """This map, if it is aligned, without each message i for which deleted[i] is 1. ids: those of popa3d's that remain."""
        lengths, text = [], []
        offset = number = 0
        for first, end in kept_runs(deleted[: len(self)]):
            offset += sum(self.lengths[number:first])
            octets = sum(self.lengths[first:end])
            lengths.append(self.lengths[first:end])
            text.append(self.text[offset : offset + octets])
            offset, number = offset + octets, end
        return IdMap(ids, b"".join(lengths), b"".join(text))


def make_map(ids: bytes, old: list[bytes]) -> IdMap:
    """The map of messages with popa3d's unique-ids `ids`, and these old ones, or empty ones."""
    return IdMap(ids, bytes(map(len, old)), b"".join(old))


class ShownIds:
    """The unique-ids that clients are shown: old ones where the map has them, and popa3d's. All are different."""

    def __init__(self, ids: bytes, id_map: IdMap) -> None:
        """ids: popa3d's, of all messages of the mailbox."""
        self._map = id_map.aligned(ids)
        self._ids = _without_old_ones(ids, self._map)

    def texts(self, first: int, end: int) -> list[str]:
        """Those of messages first to end - 1, one at least."""
        found = texts(self._ids, first, end)
        for i, old in enumerate(self._map.old_ids(first, end)):
            if old:
                found[i] = old.decode("ascii")
        return found


def ids_after(index: Index, deleted: bytearray, digest_of: "Callable[[int], bytes]") -> bytes:
    """The unique-ids that messages will have once each message i with deleted[i] == 1 is removed.

    They are the same but for copies: one of those may be the first then. digest_of: as in copies.make_unique, by the number
    that a message has before.
    """
    base_ids = index.base_ids or index.ids
    remaining = Index()
    remaining.ids = b"".join([base_ids[ID_OCTETS * first : ID_OCTETS * end] for first, end in kept_runs(deleted)])
    if index.base_ids:
        kept = [number for number, is_deleted in enumerate(deleted) if not is_deleted]
        copies.make_unique(remaining, digests_of_copies(index, deleted), lambda number: digest_of(kept[number]))
    return remaining.ids


def _without_old_ones(ids: bytes, aligned: IdMap) -> bytes:
    """popa3d's unique-ids, where one that is shown is another message's old one, replaced by an MD5 of it.

    Nobody meets that but who makes it: whoever could choose an old one (by a forged header, before the move) and then sends
    a message with that unique-id.
    """
    if aligned.count() == len(ids) // ID_OCTETS:
        return ids  # none of popa3d's is shown
    values = _values(bytes(_shown_as_numbers(ids, aligned)))
    old = compress(values, aligned.lengths)
    new = chain(compress(values, aligned.lengths.translate(_IS_ZERO)), values[len(aligned) :])
    few, many = (old, new) if 2 * aligned.count() < len(values) else (new, old)  # a set takes a hundred octets a member
    twice = set(few).intersection(many)
    if not twice:
        return ids
    taken = set(values)
    others = bytearray(ids)
    for number, value in enumerate(values):
        if value in twice and not (number < len(aligned) and aligned.lengths[number]):
            own = slice(ID_OCTETS * number, ID_OCTETS * (number + 1))
            while _values(bytes(others[own]))[0] in taken:
                others[own] = unique_ids(_md5.md5(others[own]).digest())
            taken.add(_values(bytes(others[own]))[0])
    return bytes(others)


def _shown_as_numbers(ids: bytes, aligned: IdMap) -> bytearray:
    """What is shown of each message where that can be a unique-id of popa3d's; else popa3d's own."""
    shown = bytearray(ids)
    if aligned.lengths.count(_TEXT_OCTETS) == len(aligned):  # Dovecot's and UW's have this length
        try:
            shown[: ID_OCTETS * len(aligned)] = bytes.fromhex(aligned.text.decode("ascii"))
            return shown
        except ValueError:
            pass
    for number, old in enumerate(aligned.old_ids(0, len(aligned))):
        octets = _as_own(old)
        if octets:
            shown[ID_OCTETS * number : ID_OCTETS * (number + 1)] = octets
    return shown


def _as_own(old: bytes) -> bytes:
    """An old unique-id as popa3d keeps its own, if it can be one of those, which are hexadecimal; else nothing."""
    if len(old) != _TEXT_OCTETS:
        return b""
    try:
        return bytes.fromhex(old.decode("ascii"))
    except ValueError:
        return b""


def _values(ids: bytes) -> "memoryview":
    """Unique-ids as numbers."""
    return memoryview(ids).cast("Q")


def doubles(ids: bytes, old: "Iterable[bytes]") -> set[int]:
    """The numbers of messages whose old unique-id cannot be kept: another message has the same one, or has it of popa3d's."""
    own = dict(zip(_values(ids), range(len(ids) // ID_OCTETS), strict=True))
    first: dict[bytes, int] = {}
    found = set()
    for number, text in enumerate(islice(old, len(own))):
        if not text:
            continue
        if text in first:
            found |= {first[text], number}
        first.setdefault(text, number)
        octets = _as_own(text)
        if octets and own.get(_values(octets)[0], number) != number:
            found.add(number)
    return found

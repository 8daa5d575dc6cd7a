"""Why a mailbox is not served, or what is in it, for popa3d-check: looked at as a session would, and not changed.

Runs as: the mailbox owner, in a process that root has started for this alone.
Trusts: the kernel; not the file, nor the programs that write it.
"""

import posix as os  # as os, without its start-up time

from ...shared.findings import FAULT, NOTE, OK, Finding
from ...shared.limits import PARSE_OCTETS
from ..index.index import Index
from ..index.parser import NO_CONTENT, NO_FROM_LINE, TOO_MANY_MESSAGES
from . import TOO_LARGE, Refused, kept_map
from .file import MboxFile
from .holders import holders
from .scan import build_index
from .state_directory import State

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

_SHOWN_OCTETS = 80  # around the place where a mailbox is no mailbox any more

# What to do about reasons for which a mailbox is refused, by how they begin.
_ADVICE = (
    ("not a regular file", "make the mailbox a regular file of the user's; popa3d follows no link"),
    ("only its group", "make it readable for its owner (chown, chmod), or set home_file in popa3d.toml(5)"),
    ("its directory is missing", "make the directory, or mount it"),
    ("Permission denied", "the mailbox must belong to the user, with mode 0600 or 0660, and its directories be searchable"),
)


# What to do where a file is no mailbox any more.
_MENDING = {
    NO_FROM_LINE: 'remove what is before the first "From " line, with an editor that locks the mailbox',
    NO_CONTENT: 'the "From " line before that place has no message: remove it, with an editor that locks the mailbox',
    TOO_MANY_MESSAGES: "raise max_messages in popa3d.toml(5), or move messages to another file",
}


def examine(path: bytes, state: bytes, owner: bytes, locks: tuple[str, ...], max_messages: int, max_octets: int) -> list[Finding]:
    """What there is to say of the mailbox at `path` of the user who runs this. state: the state directory, or empty."""
    findings: list[Finding] = []
    try:
        # A dot-lock would keep deliveries away: it is looked at, not made.
        file = MboxFile(path, tuple(name for name in locks if name != "dotlock"))
    except (Refused, OSError) as error:
        reason = _reason(error)
        advice = next((advice for start, advice in _ADVICE if reason.startswith(start)), "see DIAGNOSTICS in popa3d(8)")
        return [Finding(FAULT, "mailbox", f"{_shown(path)}: {reason}", advice)]
    try:
        directory, faults = _state(path, state, owner)
        findings.extend(faults)
        if file.absent:
            return [Finding(OK, "mailbox", f"{_shown(path)} does not exist: the user has no mail"), *findings]
        findings.insert(0, _file(file))
        findings.extend(_held(file, locks))
        messages, index = _messages(file, max_messages, max_octets)
        findings.append(messages)
        if directory and index:
            findings.extend(_map(file, directory, index))
    except (Refused, OSError) as error:
        findings.append(Finding(FAULT, "mailbox", f"{_shown(path)}: {_reason(error)}", "see DIAGNOSTICS in popa3d(8)"))
    finally:
        file.close()
    return findings


def _file(file: MboxFile) -> Finding:
    status = file.status()
    mode = status.st_mode & 0o7777
    text = f"{_shown(file.path)}: {status.st_size} octets, mode {mode:04o}"
    numbers: "dict[str, Any]" = {"octets": status.st_size, "mode": mode, "owner": status.st_uid, "group": status.st_gid}
    if file.read_only:
        advice = "the file system is read-only: mail can be read, and none deleted"
        return Finding(NOTE, "mailbox", text, advice, **numbers)
    if status.st_uid != os.getuid():
        return Finding(NOTE, "mailbox", f"{text}, of user {status.st_uid}", "chown it to the user", **numbers)
    if mode & 0o006:
        return Finding(FAULT, "mailbox", text, "everybody can read or write it: chmod o-rw", **numbers)
    return Finding(OK, "mailbox", text, **numbers)


def _state(path: bytes, state: bytes, owner: bytes) -> "tuple[State | None, list[Finding]]":
    """The state directory, if there is one that can be used, and what it tells of an update."""
    findings = []
    try:
        directory = State(state, owner, path)
        if directory.has_journal():
            advice = "the user's next login finishes it, or popa3d-recover(8); until then other programs must only append"
            findings.append(Finding(NOTE, "journal", "an update was interrupted, or is under way", advice))
        if directory.names(b".rejected"):
            advice = "the log says why (A journal that does not fit); the file can be removed"
            findings.append(Finding(NOTE, "journal", "an earlier journal did not fit the mailbox, and was put aside", advice))
    except (Refused, OSError) as error:
        advice = "see FILES in popa3d(8) for its owner and mode"
        return None, [Finding(FAULT, "journal", f"the state directory: {_reason(error)}", advice)]
    return None if directory.is_missing else directory, findings


def _map(file: MboxFile, directory: State, index: Index) -> "Iterator[Finding]":
    """The map of another server's unique-ids, and whether it is this mailbox's."""
    id_map, reason = kept_map.examine(file, directory)
    if reason:
        advice = "the next login puts it aside, and clients fetch all mail again; popa3d-migrate(8) can take it anew before that"
        yield Finding(FAULT, "map", f"the map of another server's unique-ids cannot be used: {reason}", advice)
    elif id_map is not None:
        known, all_of_it = id_map.aligned(index.ids).count(), id_map.count()
        text = f"another server's unique-ids are shown for {known} of the messages; the map has {all_of_it}"
        if known or not all_of_it:
            yield Finding(OK, "map", text, old_ids=known)
        else:
            advice = "the mailbox has other mail than the map: if it was replaced, popa3d-migrate --undo removes that"
            yield Finding(NOTE, "map", text, advice, old_ids=known)
    if directory.names(b".ids-rejected"):
        advice = "the log says why (the map of unique-ids is not used); the file can be removed"
        yield Finding(NOTE, "map", "an earlier map of unique-ids could not be used, and was put aside", advice)


def _held(file: MboxFile, locks: tuple[str, ...]) -> "Iterator[Finding]":
    for holder in holders(file):
        advice = "a session waits 20 seconds for it; if its process hangs, end that"
        if holder.has_ended:
            what = f"there is a {holder.kind} of process {holder.pid}, which has ended"
            advice = "popa3d removes it when it needs the lock, if it may; other programs may wait for it"
        elif holder.pid:
            what = f"{holder.kind} is held"
        else:
            what = f"there is a {holder.kind}, which names no process"
            advice = "a session waits 20 seconds for it; popa3d.toml(5) has when a dot-lock is stale"
        if holder.kind.replace("-", "") not in locks:
            advice = (
                "popa3d does not look at this kind, which is not in locks of popa3d.toml(5), and may read what is half written"
            )
        yield Finding(NOTE, "lock", what, advice, pid=0 if holder.has_ended else holder.pid)


def _messages(file: MboxFile, max_messages: int, max_octets: int) -> tuple[Finding, Index | None]:
    """Whether the file is a mailbox, and what is in it; and its index, if it is one."""
    size = file.status().st_size
    if size > max_octets:
        advice = "raise max_octets in popa3d.toml(5), or divide it"
        return Finding(FAULT, "messages", f"larger than {max_octets} octets", advice), None
    locked = file.try_to_lock()
    try:
        index = build_index(file, size, max_messages)
    except Refused as refused:
        return _fault(file, refused, locked), None
    equal = _equal(index)
    octets = sum(index.octets)
    text = f"{len(index)} message{'' if len(index) == 1 else 's'} of {octets} octets as sent"
    if equal:
        text += f"; {equal} would have an earlier one's unique-id: popa3d gives another"
    if not locked:
        text += "; read while another program has its lock"
    return Finding(OK, "messages", text, messages=len(index), octets=octets, equal_ids=equal), index


def _equal(index: Index) -> int:
    if not index.base_ids:
        return 0
    from ..index.copies import repeats

    return repeats(index.base_ids).count(1)


def _fault(file: MboxFile, refused: Refused, locked: bool) -> Finding:
    """Where the file is no mailbox any more, and what is there."""
    if refused.fault == TOO_LARGE or refused.offset < 0:
        return Finding(FAULT, "messages", refused.reason, "see popa3d.toml(5)")
    line = 1
    for start in range(0, refused.offset, PARSE_OCTETS):
        line += file.read(min(PARSE_OCTETS, refused.offset - start), start).count(b"\n")
    before = file.read(min(_SHOWN_OCTETS // 2, refused.offset), max(0, refused.offset - _SHOWN_OCTETS // 2))
    after = file.read(_SHOWN_OCTETS - len(before), refused.offset)
    text = f"{refused.reason}, at octet {refused.offset}, line {line}: {_quoted(before)} | {_quoted(after)}"
    advice = _MENDING.get(refused.fault, "see DIAGNOSTICS in popa3d(8)")
    if not locked:
        advice = "another program has its lock, and may be writing: look again first"
    return Finding(FAULT, "messages", text, advice, offset=refused.offset, line=line)


def _quoted(octets: bytes) -> str:
    """Octets as Python writes them, without its b and quotes' kind: printable, one line."""
    return '"' + "".join(_letter(octet) for octet in octets) + '"'


def _letter(octet: int) -> str:
    if octet == 0x0A:
        return "\\n"
    if octet == 0x0D:
        return "\\r"
    if octet in (0x22, 0x5C):
        return "\\" + chr(octet)
    return chr(octet) if 0x20 <= octet <= 0x7E else f"\\x{octet:02x}"


def _reason(error: Refused | OSError) -> str:
    return error.strerror or "" if isinstance(error, OSError) else error.reason


def _shown(path: bytes) -> str:
    return path.decode("ascii", "replace")

"""Mutations of the records between processes, of the configuration and of addresses."""

from __future__ import annotations

from tests.mutants.mutation import wrong

RECORD = "tests/unit/shared/test_record.py"
FORGED = f"{RECORD}::test_forged_login"
LONGEST = f"{RECORD}::test_longest_login"
HANDOVER = f"{RECORD}::test_forged_handover"
FILE = "tests/unit/root/test_configuration.py"
NO_REASON = "tests/unit/shared/test_locker_messages.py::test_no_reason"
MESSAGES = "tests/fuzz/test_fuzz.py::test_sample[messages]"

# fmt: off
MUTATIONS = (
    # What fuzzing found
    wrong("shared/locker_messages.py", " and len(number) <= _ERROR_DIGITS", "", "a number that is no errno ends the session", NO_REASON),
    wrong("shared/locker_messages.py", "if is_number and answer == encode_error(int(number)) else 0", "if is_number else 0",
          "an answer is taken that the locker does not write", NO_REASON),
    wrong("shared/locker_messages.py", "if encode_owner(int(session), int(uid), name) != message:", "if False:",
          "the locker takes what root does not write", "tests/unit/shared/test_locker_messages.py::test_no_owner"),
    wrong("root/channel.py", "if encode(asked) != message:", "if False:",
          "the keeper takes what root does not write", MESSAGES),
    wrong("root/starter.py", "if encode(int(session), int(gid), has_note == b\"1\", data) != message:", "if False:",
          "the starter takes what root does not write", MESSAGES),
    wrong("root/listen/spares.py", "if client.encode() != message:", "if False:", "an empty message is a client", MESSAGES),
    wrong("root/reports.py", "len(data) - OCTETS + 1, OCTETS", "len(data), OCTETS", "half a report is one", MESSAGES),
    wrong("owner/update/plan.py", "if not octet and bits > 7:", "if False:", "a plan is taken that none wrote",
          "tests/unit/owner/update/test_plan.py::test_no_numbers"),
    wrong("owner/index/packing.py", " and crlf in (0, 1)", "", "an index is taken that none wrote",
          "tests/fuzz/test_fuzz.py::test_sample[index]"),
    wrong("shared/record.py", " and len(set(names)) == len(names)", "", "one lock twice", HANDOVER),
    wrong("shared/lines.py", "(self._line + self._buffer[: min(length, _KEPT_OCTETS)])[:_KEPT_OCTETS]",
          "self._line + self._buffer[: min(length, _KEPT_OCTETS)]", "a line is kept that is longer than it can be",
          "tests/unit/shared/test_lines.py::test_long_lines"),

    # record: what root believes of the pre-auth child
    wrong("shared/record.py", "if record[:1] != LOGIN or", "if", "another record is taken for a login", FORGED),
    wrong("shared/record.py", "len(record) > LOGIN_RECORD_OCTETS", "len(record) >= LOGIN_RECORD_OCTETS", "the longest login",
          LONGEST),
    wrong("shared/record.py", "fields if end == len(record) else None", "fields", "octets behind a record", FORGED),
    wrong("shared/record.py", "0 < len(octets) <= NAME_OCTETS", "0 <= len(octets) <= NAME_OCTETS", "no name", FORGED),
    wrong("shared/record.py", "0 < len(octets) <= NAME_OCTETS", "0 < len(octets)", "a name of any length", FORGED),
    wrong("shared/record.py", "0 < len(octets) <= NAME_OCTETS", "0 < len(octets) < NAME_OCTETS", "a name's length", LONGEST),
    wrong("shared/record.py", ' and b" " not in octets', "", "a name with a space", FORGED),
    wrong("shared/record.py", 'b" " not in octets and not _has_controls(octets)', 'b" " not in octets',
          "control characters in a name reach PAM", FORGED),
    wrong("shared/record.py", "0 < len(octets) <= PASSWORD_OCTETS", "0 <= len(octets) <= PASSWORD_OCTETS", "no password", FORGED),
    wrong("shared/record.py", "0 < len(octets) <= PASSWORD_OCTETS", "0 < len(octets)", "a password of any length", FORGED),
    wrong("shared/record.py", "0 < len(octets) <= PASSWORD_OCTETS", "0 < len(octets) < PASSWORD_OCTETS", "a password's length",
          LONGEST),
    wrong("shared/record.py", "<= PASSWORD_OCTETS and not _has_controls(octets)", "<= PASSWORD_OCTETS",
          "a password with a line end reaches PAM", FORGED),
    wrong("shared/record.py", 'bytes(range(32)) + b"\\x7f"', "bytes(range(32))", "DEL is no control character", FORGED),
    wrong("shared/record.py", "bytes(range(32))", "bytes(range(31))", "one control character is none", FORGED),
    wrong("shared/record.py", "or not is_password(password) or", "or", "a password that no child would send", FORGED),
    wrong("shared/record.py", "if not is_name(user) or not", "if not", "a name that no child would send", FORGED),
    wrong("shared/record.py", "len(ahead) > READ_OCTETS:", "len(ahead) > READ_OCTETS + 1:", "more ahead than is read", FORGED),
    wrong("shared/record.py", "len(ahead) > READ_OCTETS:", "len(ahead) >= READ_OCTETS:", "all that can be ahead", LONGEST),

    # record: what the session believes of root
    wrong("shared/record.py", "if record[:1] not in (_HANDOVER, _RECOVERY) or", "if", "a login is taken for a handover",
          HANDOVER),
    wrong("shared/record.py", "len(record) > HANDOVER_RECORD_OCTETS", "len(record) >= HANDOVER_RECORD_OCTETS",
          "the longest handover", f"{RECORD}::test_longest_handover"),
    wrong("shared/record.py", " or len(record) > HANDOVER_RECORD_OCTETS", "", "a handover of any length",
          f"{RECORD}::test_longest_handover"),
    wrong("shared/record.py", "HANDOVER_RECORD_OCTETS = 16 * 1024", "HANDOVER_RECORD_OCTETS = 16 * 1024 - 1",
          "the longest handover", f"{RECORD}::test_longest_handover"),
    wrong("shared/record.py", 'not path.startswith(b"/") or ', "", "a mailbox below who knows which directory", HANDOVER),
    wrong("shared/record.py", 'b"\\0" in path + state', 'b"\\0" in state', "a NUL in the mailbox's path", HANDOVER),
    wrong("shared/record.py", 'b"\\0" in path + state', 'b"\\0" in path', "a NUL in the state directory's path", HANDOVER),
    wrong("shared/record.py", ' or state[:1] not in (b"", b"/")', "", "a state directory below who knows which one", HANDOVER),
    wrong("shared/record.py", 'state[:1] not in (b"", b"/")', 'state[:1] not in (b"/",)', "no state directory", HANDOVER),
    wrong("shared/record.py", "number is not None and least <= number <= most", "number is not None", "a number that no setting can have", HANDOVER),
    wrong("shared/record.py", "not field.isdigit() or ", "", "a negative number", HANDOVER),
    wrong("shared/record.py", "<= set(LOCKS) and", "<= set(LOCKS) | {'lockf'} and", "a lock that nobody knows", HANDOVER),
    wrong("shared/record.py", "recovery = record[:1] == _RECOVERY", "recovery = False", "popa3d-recover serves nobody",
          "tests/root/test_recover.py::test_several_users"),

    # configuration
    wrong("root/configuration.py", "not least <= value <= most", "not least < value <= most", "the least number",
          f"{FILE}::test_bounds"),
    wrong("root/configuration.py", "not least <= value <= most", "not least <= value < most", "the greatest number",
          f"{FILE}::test_bounds"),
    wrong("root/configuration.py", "not least <= value <= most", "not least <= value", "any number", f"{FILE}::test_bounds"),
    wrong("root/configuration.py", "type(value) is not int or ", "", "true for 1", f"{FILE}::test_refused"),
    wrong("root/configuration.py", ' or ".." in path.split("/")', "", "other users' files as mailboxes",
          f"{FILE}::test_refused"),
    wrong("root/configuration.py", 'if path.startswith("/") or ', "if ", "any file as mailbox", f"{FILE}::test_refused"),
    wrong("root/configuration.py", ' in path.split("/") or "\\0" in path', ' in path.split("/")', "a path with a NUL", f"{FILE}::test_refused"),
    wrong("root/configuration.py", 'not path.startswith("/") or "\\0" in path', 'not path.startswith("/")', "a path with a NUL", f"{FILE}::test_refused"),
    wrong("root/configuration.py", "not locks or ", "", "no lock at all", f"{FILE}::test_refused"),
    wrong("root/configuration.py", " or len(set(locks)) < len(locks)", "", "a lock twice",
          f"{FILE}::test_refused"),
    wrong("root/configuration.py", "if not isinstance(value, bool):", "if False:", "'false' for true", f"{FILE}::test_refused"),
    wrong("root/configuration.py", "re.fullmatch(_DOMAIN", "re.match(_DOMAIN", "a domain with a blank", f"{FILE}::test_refused"),
    wrong("root/configuration.py", "domain != ANY_DOMAIN and ", "", "no word for any domain", f"{FILE}::test_every_key"),
    wrong("root/configuration.py", "not isinstance(domain, str) or (", "(", "an exception for a number", f"{FILE}::test_refused"),
    wrong("root/configuration.py", "        if domain.lower() in known:", "        if domain in known:", "a domain twice",
          f"{FILE}::test_refused"),
    wrong("root/configuration.py", "(ValueError, RecursionError)", "ValueError", "an exception for a file",
          f"{FILE}::test_refused"),

    # address
    wrong("shared/address.py", "packed[:8] + bytes(8)", "packed", "each of a customer's addresses is a source of its own",
          "tests/unit/shared/test_address.py::test_sources"),
    wrong("shared/address.py", 'address.removeprefix("::ffff:")', "address", "IPv4 counts in another form than itself",
          "tests/unit/shared/test_address.py::test_sources"),
)

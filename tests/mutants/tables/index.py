"""Mutations of owner/index and of what reads the mailbox for it: the fast paths, copies, packing, the child."""

from __future__ import annotations

from tests.mutants.mutation import wrong

UNIT = "tests/unit/owner/index"
PARSER = f"{UNIT}/test_parser.py"
FIELDS = f"{UNIT}/test_fields.py"
COPIES = f"{UNIT}/test_copies.py"
PACKING = f"{UNIT}/test_packing.py"
REMAINING = f"{UNIT}/test_remaining.py"
WHOLE = f"{UNIT}/test_whole.py"
SCAN = "tests/unit/owner/mailbox/test_scan.py"
CHILD = "tests/unit/owner/mailbox/test_child.py"

# fmt: off
MUTATIONS = (
    # messages
    wrong("owner/index/whole.py", "if separator < 0 or (data[content] == _F and startswith(FROM, content)):",
          "if separator < 0:", "a message without content is served", f"{WHOLE}::test_without_content"),
    wrong("owner/index/whole.py", "range(min(room, _SAMPLE))", "range(_SAMPLE)", "the limit of messages", f"{WHOLE}::test_room"),
    wrong("owner/index/whole.py", "header_end < separator else", "header_end <= separator else",
          "the last line of a header without a body is cut", f"{PARSER}::test_pieces"),
    wrong("owner/index/dense.py", "start - 1 if blank < start - 2 else start", "start - 1",
          "the last line of a header without a body is cut", f"{PARSER}::test_many_short_messages"),
    wrong("owner/index/dense.py", "        del starts[empty:], lines[empty:], nexts[empty:]\n", "        pass\n",
          "a message without content is served", f"{WHOLE}::test_without_content"),
    wrong("owner/index/parser.py", "raise Truncated(NO_CONTENT,", "raise Unreadable(NO_CONTENT,",
          "a mailbox that is still being written is refused for good", f"{PARSER}::test_truncated"),

    wrong("owner/index/parser.py", "        self._most_held = len(block) // 2\n", "", "a tenth more time for each first opening",
          f"{PARSER}::test_a_cut_message_waits"),
    wrong("owner/index/parser.py", "            self.feed(b\"\")  # what", "            pass  # what",
          "the last message is missing", f"{PARSER}::test_pieces"),

    # unique-ids
    wrong("owner/index/unique_id.py", "if len(delivered_to) > 2 or first > start:", "if first > start:", "all mail of lists is fetched again",
          f"{UNIT}/test_unique_id.py::test_part_by_part"),
    wrong("owner/index/unique_id.py", 'return b"" if rest[0] in _BLANKS else line', "return line", "mail is fetched again",
          f"{UNIT}/test_unique_id.py::test_part_by_part"),
    wrong("owner/index/unique_id.py", '.replace(MESSAGE_ID, b"") != before', " != before", "mail is fetched again",
          f"{UNIT}/test_unique_id.py::test_part_by_part"),
    wrong("owner/index/unique_id.py", '    if lower.replace(X_DELIVERY_ID, b"") != lower:\n        return b""\n', "", "mail is fetched again",
          f"{UNIT}/test_unique_id.py::test_part_by_part"),
    wrong("owner/index/unique_id.py", "if text[lf + 1] == UPPER_X:", "if True:", "all mail is fetched again",
          f"{UNIT}/test_unique_id.py::test_part_by_part"),
    wrong("owner/index/unique_id.py", "            end = received\n", "", "all mail is fetched again",
          f"{UNIT}/test_unique_id.py::test_part_by_part"),
    wrong("owner/index/fields.py", "                    uncounted = _KIND\n", "                    pass\n",
          "all mail is fetched again from a CRLF mailbox", f"{FIELDS}::test_message_digests"),
    wrong("owner/index/fields.py", "if not (after_received and field & _KIND):", "if True:", "all mail with long headers is fetched again",
          f"{FIELDS}::test_all_fields"),
    wrong("owner/index/copies.py", "copy + before.to_bytes(8, \"big\")", "copy", "two copies have one unique-id before chance is looked at",
          f"{COPIES}::test_as_defined"),
    wrong("owner/index/copies.py", "                if value in seen:\n", "                if False:\n", "copies in a large mailbox have one unique-id",
          f"{COPIES}::test_compared_in_parts"),

    # an index that is kept, or comes from a child
    wrong("owner/index/packing.py", "0 <= count <= max_messages and ", "", "an index of too many messages is believed",
          f"{PACKING}::test_too_many"),
    wrong("owner/index/packing.py", "        if len(column) < count * _NUMBER_OCTETS:\n            return None\n", "",
          "an index that was cut is believed", f"{PACKING}::test_cut"),
    wrong("owner/index/remaining.py", "[offset - removed for offset in", "[offset for offset in", "an index of what was deleted",
          f"{REMAINING}::test_each_place"),
    wrong("owner/index/remaining.py", "digests[number - deleted_before] = digest", "digests[number] = digest",
          "copies have others' unique-ids after an update", f"{REMAINING}::test_random"),
    wrong("owner/index/crc.py", "        octets >>= 1\n", "        octets >>= 2\n", "large mailboxes are always changed",
          f"{UNIT}/test_crc.py::test_combined"),
    wrong("owner/mailbox/halves.py", " or len(first) + len(second) > max_messages", "", "the limit of messages",
          f"{SCAN}::test_two_processes"),
    wrong("owner/mailbox/scan.py", "        index = _parse(file, parser, last,", "        index = (lambda *a: parse_range(*a[:4]))(file, parser, last,",
          "much that was added is parsed by one process", f"{SCAN}::test_two_processes"),
    wrong("owner/mailbox/child.py", "        os.close(reading)  # otherwise", "        pass  # otherwise",
          "a login waits for ever for its child", f"{CHILD}::test_failures"),
    wrong("owner/mailbox/child.py", "        os.waitpid(pid, 0)\n", "", "dead children stay for the session", f"{CHILD}::test_both"),
    wrong("owner/mailbox/kept_index.py", "    _load_what_is_needed_later(index, status.st_size)\n", "",
          "a session loads modules of another version", "tests/unit/owner/mailbox/test_kept_index.py::test_what_is_needed_later"),
)

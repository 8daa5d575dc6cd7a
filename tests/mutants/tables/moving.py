"""Mutations of popa3d-migrate: which unique-ids are kept, the map, and its way through updates."""

from __future__ import annotations

from tests.mutants.mutation import wrong

SERVERS = "tests/unit/owner/moving/test_servers.py"
LISTING = "tests/unit/owner/moving/test_listing.py"
MAP = "tests/unit/owner/index/test_id_map.py"
KEPT = "tests/unit/owner/mailbox/test_kept_map.py"
UIDL = "tests/unit/shared/test_uidl_list.py"
PROGRAM = "tests/moving/test_program.py"

# fmt: off
MUTATIONS = (
    # which unique-ids of other servers count
    wrong("owner/moving/servers.py", "if before < uid <= self.last:", "if uid <= self.last:", "numbers that do not ascend",
          f"{SERVERS}::test_dovecot"),
    wrong("owner/moving/servers.py", "if before < uid <= self.last:", "if before < uid:", "numbers that were never given",
          f"{SERVERS}::test_dovecot"),
    wrong("owner/moving/servers.py", "if is_dovecot and uid == self.last + 1:", "if False:", "Dovecot's next number is not kept",
          f"{SERVERS}::test_dovecot"),
    wrong("owner/moving/servers.py", "if is_dovecot and uid == self.last + 1:", "if uid == self.last + 1:",
          "UW's next number is kept, which UW gives to another message", f"{SERVERS}::test_uw"),
    wrong("owner/moving/servers.py", "uid = 0 if stopped else base", "uid = base", "numbers behind one that would be another",
          f"{SERVERS}::test_dovecot"),
    wrong("owner/moving/servers.py", "            fields = base.read(fields)\n", "            base.read(fields)\n",
          "a number before X-IMAPbase", f"{SERVERS}::test_without_a_base"),
    wrong("owner/moving/servers.py", "        if has_uid:\n", "        if uids:\n", "of a first message without X-IMAPbase nothing is said",
          f"{SERVERS}::test_without_a_base"),
    wrong("owner/moving/servers.py", "if number == 0 and not hidden:", "if number == 0:", "a forged X-IMAPbase behind the real one",
          f"{SERVERS}::test_a_message_that_is_no_mail"),
    wrong("owner/moving/servers.py", "if is_dovecot and base.is_hidden:", "if False:", "a message that Dovecot hides stops the others",
          f"{SERVERS}::test_a_message_that_dovecot_hides"),
    wrong("owner/moving/servers.py", "if is_dovecot else (base.validity, uid)", "if is_dovecot else (uid, base.validity)",
          "Dovecot's unique-ids for UW's", f"{SERVERS}::test_the_unique_ids"),
    wrong("owner/moving/servers.py", "(len(uids) > 1 and not is_dovecot)", "False", "two numbers of one message",
          f"{SERVERS}::test_uw"),
    wrong("owner/moving/servers.py", "if len(texts) == 1 else", "if texts else", "any of several X-UIDL",
          f"{SERVERS}::test_qpopper"),
    wrong("owner/moving/servers.py", "if len(old) not in _QPOPPER_OCTETS or not", "if not", "an X-UIDL that qpopper replaces",
          f"{SERVERS}::test_qpopper"),
    wrong("owner/moving/servers.py", " and int(text) <= _HIGHEST", "", "numbers beyond 32 bits", f"{SERVERS}::test_without_a_base"),
    wrong("owner/moving/header_fields.py", "if crlf else -1", "", "an empty line of a CRLF mailbox in another one",
          f"{SERVERS}::test_headers"),
    wrong("owner/moving/header_fields.py", "in sorted(found)]", "in found]", "fields in no order", f"{SERVERS}::test_values"),
    wrong("owner/moving/listing.py", " or (len(ids) < len(sizes) and not octets)", "", "a list of another state of the mailbox",
          f"{LISTING}::test_count"),
    wrong("owner/moving/listing.py", "if not size - hidden - _LINE_END_OCTETS <= listed", "if not listed",
          "messages that are smaller than listed", f"{LISTING}::test_what_fits"),
    wrong("owner/moving/listing.py", ' - text.count(b"\\r\\n")', "", "fields of a CRLF mailbox count twice",
          f"{LISTING}::test_what_fits"),
    wrong("shared/uidl_list.py", "len(words[1]) > UNIQUE_ID_OCTETS or ", "", "unique-ids that are too long", f"{UIDL}::test_malformed"),
    wrong("shared/uidl_list.py", 'words[0] != b"%d" % (len(lists[-1]) + 1) or ', "", "messages in any order",
          f"{UIDL}::test_malformed"),

    # the map
    wrong("owner/index/id_map.py", "        if first < self._number:\n            self._number = self._offset = 0\n", "",
          "a message that is asked for after a later one", f"{MAP}::test_shown"),
    wrong("owner/index/id_map.py", "        if ids.startswith(self.ids):\n", "        if True:\n",
          "another program has removed messages", f"{MAP}::test_another_program_has_removed_messages_or_sorted_them"),
    wrong("owner/index/id_map.py", "self._ids = _without_old_ones(ids, self._map)", "self._ids = ids",
          "two messages with one unique-id", f"{MAP}::test_an_old_one_that_new_mail_has", f"{MAP}::test_all_are_different"),
    wrong("owner/index/id_map.py", "            while _values(bytes(others[own]))[0] in taken:\n", "            if True:\n",
          "the next one is that of a third message", f"{MAP}::test_in_its_place_is_none_that_is_taken"),
    wrong("owner/index/id_map.py", "            found |= {first[text], number}\n", "            found.add(number)\n",
          "the first of two messages with one unique-id", f"{MAP}::test_doubles", f"{PROGRAM}::test_equal_ones_are_refused"),
    wrong("owner/index/id_map.py", "            and sum(self.lengths) == len(self.text)\n", "", "lengths of another text",
          f"{MAP}::test_unsound"),
    wrong("owner/index/id_map.py", "            and not self.text.translate(None, _VISIBLE)\n", "", "line ends in unique-ids",
          f"{MAP}::test_unsound"),
    wrong("owner/index/id_map.py", "digests_of_copies(index, deleted), lambda number: digest_of(kept[number])",
          "digests_of_copies(index, deleted), digest_of", "more copies than are looked at", f"{KEPT}::test_equal_messages"),

    # the map as a file
    wrong("owner/mailbox/kept_map.py", "    if checksum(file, 0, stored.size) == stored.check:", "    if False:",
          "an update that was not begun changes the map", f"{KEPT}::test_an_update_that_was_not_begun",
          "tests/faults/test_map_kills.py::test_killed_in_an_update"),
    wrong("owner/mailbox/kept_map.py", "    if checksum(file, 0, stored.size) == stored.check:", "    if True:",
          "an update that was interrupted leaves the map of before", f"{KEPT}::test_equal_messages",
          "tests/faults/test_map_kills.py::test_killed_in_an_update"),
    wrong("owner/mailbox/kept_map.py", "if binding != _binding(file):", "if False:", "the map of another mailbox",
          f"{KEPT}::test_of_another_path"),
    wrong("owner/mailbox/kept_map.py", "if data[octets:] != pack(_CHECK, crc32(data[:octets], crc32(head))):", "if False:",
          "a damaged map", f"{KEPT}::test_what_is_not_believed"),
    wrong("owner/mailbox/kept_map.py", "    if not id_map.is_sound():", "    if False:", "a forged map",
          f"{KEPT}::test_what_is_not_believed"),
    wrong("owner/mailbox/kept_map.py", "    except PermissionError as error:", "    except ZeroDivisionError as error:",
          "a map that others can write keeps the user out", f"{KEPT}::test_what_is_not_believed"),
    wrong("owner/mailbox/kept_map.py", "    if not len(stored.id_map):", "    if False:", "an empty map stays for ever",
          f"{KEPT}::test_deleted_messages_leave_the_map"),
    wrong("owner/mailbox/kept_map.py", "stored.id_map.aligned(index.ids).after(deleted, ids_after(index, deleted, digest_of))",
          "stored.id_map.aligned(index.ids).after(deleted, index.ids)", "equal messages swap their unique-ids",
          f"{KEPT}::test_deleted_messages_leave_the_map"),
    wrong("owner/mailbox/kept_map.py", "    except OSError as error:\n        log", "    except ZeroDivisionError as error:\n        log",
          "on a full disk nothing can be deleted", f"{KEPT}::test_a_full_disk"),
    wrong("owner/update/removal.py", "            kept_map.try_to_settle(maildrop.file, maildrop.state)\n", "            pass\n",
          "an update that fails loses unique-ids", f"{KEPT}::test_an_update_that_fails"),
    wrong("owner/loading.py", "            _settle_id_map(file, state)\n", "            pass\n",
          "an interrupted update leaves the map of before", f"{KEPT}::test_equal_messages"),
    wrong("owner/update/removal.py", "has_id_map = maildrop.state.has_id_map", "has_id_map = maildrop.shown_ids is not None",
          "a map that came during the session", f"{KEPT}::test_a_map_that_came_meanwhile"),

    # the program
    wrong("root/migrate_command.py", "        uidl_list.parse(text)\n", "", "a user is given any file", f"{PROGRAM}::test_other_files"),
    wrong("root/migrate_command.py", "if len(text) > LIST_OCTETS:", "if False:", "a list without end", f"{PROGRAM}::test_other_files"),
    wrong("root/migrate_command.py", "if handover.serves(owner)]", "]", "--all names accounts that are not served",
          f"{PROGRAM}::test_all"),
    wrong("root/runner.py", "os.read(program.said, REPORT_OCTETS)", "os.read(program.said, 16 * REPORT_OCTETS)",
          "a user's program fills the terminal", f"{PROGRAM}::test_what_a_hostile_program_says"),
    wrong("owner/migration.py", "if id_map.count() and not handover.dry_run:", "if id_map.count():", "--dry-run leaves a map",
          f"{PROGRAM}::test_there_and_back"),
    wrong("owner/migration.py", "    _refuse_doubles(maildrop.index.ids, found)\n", "", "two messages with one unique-id",
          f"{PROGRAM}::test_equal_ones_are_refused"),
    wrong("owner/migration.py", "    if maildrop.shown_ids is not None:\n", "    if False:\n", "a second map is taken of later mail",
          f"{PROGRAM}::test_there_and_back"),
)

"""Mutations of UPDATE, its journal and its plan, and of the kept index: each sync, each check."""

from __future__ import annotations

from tests.mutants.mutation import wrong

FAULTS = "tests/faults/test_faults.py"
STOPS = f"{FAULTS}::test_stops[interrupted-1000]"
NAMES = f"{FAULTS}::test_stops[interrupted_in_names-1000]"
MEANWHILE = f"{FAULTS}::test_stops[delivered_meanwhile-100]"
LYING = f"{FAULTS}::test_stops[lying_writes-20]"
PROPERTY = "tests/unit/owner/update/test_removal.py::test_property"
INDEX = "tests/session/test_index.py"

# fmt: off
MUTATIONS = (
    # the syncs of UPDATE
    wrong("owner/update/removal.py", "        file.sync()  # what is moved must be on the disk, mail that has just come, too\n", "",
          "mail that has just come is lost with the power", STOPS),
    wrong("owner/update/removal.py",
          "        file.sync()  # the record will say that all of it is on the disk, what was just delivered, too\n", "",
          "a record says what is not on the disk", STOPS),
    wrong("owner/update/removal.py", "            file.write(stamp, done)\n            file.sync()\n",
          "            file.write(stamp, done)\n", "the stamp is not on the disk when a record says so", STOPS),
    wrong("owner/mailbox/file.py", "        os.ftruncate(self._fd, size)\n        os.fsync(self._fd)\n",
          "        os.ftruncate(self._fd, size)\n", "a cut that a loss of power takes back", STOPS),
    wrong("owner/mailbox/file.py", "        os.fdatasync(self._fd)\n", "        pass\n", "nothing is on the disk", STOPS),
    wrong("owner/update/journal.py", "            os.fdatasync(self._fd)\n            return\n", "            return\n",
          "a record is not on the disk", STOPS),
    wrong("owner/update/journal.py", 'self._state.rename(new, self._state.name(b".journal"))\n            self._state.sync()\n',
          'self._state.rename(new, self._state.name(b".journal"))\n', "the journal's name is not on the disk", STOPS),
    wrong("owner/update/journal.py", "        self._at = name\n        self._state.sync()\n", "        self._at = name\n",
          "a record in names is not on the disk", NAMES),
    wrong("owner/mailbox/state_directory.py", "        os.fsync(self._fd)\n", "        pass\n", "no name is on the disk", STOPS),
    wrong("owner/update/removal.py", "        if not file.read_only:\n            file.sync()\n        if what is None",
          "        if what is None", "a recovery builds on what is not on the disk", STOPS),
    wrong("owner/update/removal.py", "        journal.sync()\n        found_in", "        found_in", "the same, of the journal", STOPS),

    # the steps of UPDATE
    wrong("owner/update/removal.py",
          "    mask = _signal.pthread_sigmask(_signal.SIG_BLOCK, _signal.valid_signals())\n    try:\n        status",
          "    mask = _signal.pthread_sigmask(_signal.SIG_BLOCK, ())\n    try:\n        status",
          "a host that shuts down stops an update", "tests/session/test_changes.py::test_signals_during_update"),
    wrong("owner/update/removal.py", "            if size == what.end:\n                break\n", "            break\n",
          "mail that is delivered in spite of the lock is cut off", MEANWHILE),
    wrong("owner/update/removal.py", "            what.extend(size)\n        journal.write", "            pass\n        journal.write",
          "the same, earlier", MEANWHILE),
    wrong("owner/update/removal.py", "end = min(what.after, what.place(done) - STAMP_OCTETS)",
          "end = min(what.after, what.place(done))", "no room is left for the stamp", PROPERTY, STOPS),
    wrong("owner/update/removal.py", "if not file.has_written and maildrop.is_same():", "if True:",
          "a journal that is needed is removed", LYING, f"{FAULTS}::test_failures"),
    wrong("owner/update/removal.py", "return None  # it was cut", "pass", "an update that was done is done again", STOPS),
    wrong("owner/update/journal.py", "_RECORD_AT[record.number % 2]", "_RECORD_AT[0]", "a record that is torn is the only one", STOPS),
    wrong("owner/update/journal.py", "if len(data) == record.length and crc32(data) == record.check:", "if True:",
          "data that are torn are believed", STOPS),
    wrong("owner/update/journal.py", "key=lambda record: -record.number", "key=lambda record: record.number",
          "an older record is believed", STOPS),

    # the kept index
    wrong("owner/mailbox/kept_index.py", "    if os.read(fd, calcsize(_CHECK) + 1) != pack(_CHECK, check):\n        return None\n", "",
          "a damaged index is believed", f"{INDEX}::test_damaged"),
    wrong("owner/mailbox/kept_index.py", "(status.st_size, status.st_mtime_ns, status.st_ctime_ns)", "(status.st_size, mtime_ns, ctime_ns)",
          "an index of what the mailbox was before", f"{INDEX}::test_stale"),
)

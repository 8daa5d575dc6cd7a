"""Mutations of UPDATE, its journal and its plan, and of the kept index: each sync, each check."""

from __future__ import annotations

from tests.mutants.mutation import wrong

FAULTS = "tests/faults/test_faults.py"
SEEDS = range(14)
STOPS = tuple(f"{FAULTS}::test_moments[interrupted-{seed}]" for seed in SEEDS)
NAMES = tuple(f"{FAULTS}::test_moments[interrupted_in_names-{seed}]" for seed in SEEDS)
MEANWHILE = tuple(f"{FAULTS}::test_moments[delivered_meanwhile-{seed}]" for seed in SEEDS)
LYING = tuple(f"{FAULTS}::test_moments[lying_writes-{seed}]" for seed in SEEDS)
PROPERTY = "tests/unit/owner/update/test_removal.py::test_property"
INDEX = "tests/session/test_index.py"

# fmt: off
MUTATIONS = (
    # the syncs of UPDATE
    wrong("owner/update/removal.py", "    file.sync()  # all that is moved must be on the disk, even mail that was delivered just now\n",
          "", "mail that has just come is lost with the power", *STOPS),
    wrong("owner/update/steps.py",
          "            self.file.sync()  # the next record claims that all this is on the disk, with what was delivered just now\n",
          "", "a record says what is not on the disk", *STOPS),
    wrong("owner/update/steps.py", "        self.file.write(stamp, done)\n        self.file.sync()\n",
          "        self.file.write(stamp, done)\n", "the stamp is not on the disk when a record says so", *STOPS),
    wrong("owner/mailbox/file.py", "        os.ftruncate(self._fd, size)\n        os.fsync(self._fd)\n",
          "        os.ftruncate(self._fd, size)\n", "a cut that a loss of power takes back", *STOPS),
    wrong("owner/mailbox/file.py", "        os.fdatasync(self._fd)\n", "        pass\n", "nothing is on the disk", *STOPS),
    wrong("owner/update/file_journal.py", "_RECORD_OFFSETS[record.number % 2])\n        os.fdatasync(self._fd)\n",
          "_RECORD_OFFSETS[record.number % 2])\n", "a record is not on the disk", *STOPS),
    wrong("owner/update/file_journal.py", "self.state.rename(new, name)\n            self.state.sync()\n",
          "self.state.rename(new, name)\n", "the journal's name is not on the disk", *STOPS),
    wrong("owner/update/name_journal.py", "        self._record_name = name\n        self.state.sync()\n",
          "        self._record_name = name\n", "a record in names is not on the disk", *NAMES),
    wrong("owner/mailbox/state_directory.py", "        os.fsync(self._fd)\n", "        pass\n", "no name is on the disk", *STOPS),
    wrong("owner/update/recovery.py", "    if not file.read_only:\n        file.sync()\n    if plan is None",
          "    if plan is None", "a recovery builds on what is not on the disk", *STOPS),
    wrong("owner/update/recovery.py", "    journal.sync()\n    _go_on", "    _go_on", "the same, of the journal", *STOPS),

    # the steps of UPDATE
    wrong("owner/update/removal.py",
          "    mask = _signal.pthread_sigmask(_signal.SIG_BLOCK, _signal.valid_signals())\n    try:\n        _update",
          "    mask = _signal.pthread_sigmask(_signal.SIG_BLOCK, ())\n    try:\n        _update",
          "a host that shuts down stops an update", "tests/session/test_changes.py::test_signals_during_update"),
    wrong("owner/update/steps.py", "                if size == plan.size:\n                    break\n",
          "                break\n", "mail that is delivered in spite of the lock is cut off", *MEANWHILE),
    wrong("owner/update/steps.py", "                plan.extend(size)\n", "                pass\n", "the same, earlier",
          *MEANWHILE),
    wrong("owner/update/steps.py", "end = min(self.plan.final_size, self.plan.source(done) - STAMP_OCTETS)",
          "end = min(self.plan.final_size, self.plan.source(done))", "no room is left for the stamp", PROPERTY, *STOPS),
    wrong("owner/update/removal.py", "if not file.has_written and maildrop.is_same():", "if True:",
          "a journal that is needed is removed", *LYING, f"{FAULTS}::test_failures"),
    wrong("owner/update/recovery.py", "return None  # the file was shortened", "pass", "an update that was done is done again",
          *STOPS),
    wrong("owner/update/file_journal.py", "_RECORD_OFFSETS[record.number % 2]", "_RECORD_OFFSETS[0]",
          "a record that is torn is the only one", *STOPS),
    wrong("owner/update/file_journal.py", "if len(data) == length and crc32(data) == record.data_check:", "if True:",
          "data that are torn are believed", *STOPS),
    wrong("owner/update/file_journal.py", "key=lambda record: -record.number", "key=lambda record: record.number",
          "an older record is believed", *STOPS),

    # the kept index
    wrong("owner/mailbox/kept_index.py", "    if os.read(fd, calcsize(_CHECK) + 1) != pack(_CHECK, check):\n        return None\n", "",
          "a damaged index is believed", f"{INDEX}::test_damaged"),
    wrong("owner/mailbox/kept_index.py", "(status.st_size, status.st_mtime_ns, status.st_ctime_ns)", "(status.st_size, mtime_ns, ctime_ns)",
          "an index of what the mailbox was before", f"{INDEX}::test_stale"),
)

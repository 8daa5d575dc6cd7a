"""Mutations of dot-locks: how ours is made and removed, and which of others' are removed as stale ones."""

from __future__ import annotations

from tests.mutants.mutation import wrong

FILE = "tests/unit/shared/test_dotlock.py"
DOTLOCKS = "tests/session/test_dotlocks.py"
LOCKS = "tests/session/test_locks.py"
STALE = f"{DOTLOCKS}::test_a_stale_one_is_removed"
LIVE = f"{DOTLOCKS}::test_a_live_one_is_respected"
UNFIT_BY_NOW = f"{FILE}::test_no_file_by_now"
MODULE = "shared/dotlock.py"

# fmt: off
MUTATIONS = (
    # ours
    wrong(MODULE, "os.O_WRONLY | os.O_CREAT | os.O_EXCL", "os.O_WRONLY | os.O_CREAT", "another's dot-lock is no lock", LIVE),
    wrong(MODULE, "mask = _signal.pthread_sigmask(_signal.SIG_BLOCK, _signal.valid_signals())",
          "mask = _signal.pthread_sigmask(_signal.SIG_BLOCK, ())", "a session that is told to end leaves its dot-lock",
          f"{DOTLOCKS}::test_a_signal_does_not_leave_it"),
    wrong(MODULE, "        _signal.pthread_sigmask(_signal.SIG_SETMASK, self._mask)\n", "        pass\n",
          "a session cannot be told to end", f"{DOTLOCKS}::test_a_signal_while_waiting", f"{LOCKS}::test_free_after_the_end"),
    wrong(MODULE, 'os.write(self._fd, b"%d\\n" % self._pid)', "pass", "nobody knows whose dot-lock it is",
          f"{FILE}::test_a_stale_one"),
    wrong(MODULE, "                os.utime(self._fd)\n", "                pass\n", "others take it for a stale one",
          f"{FILE}::test_its_time_tells_that_somebody_is_at_work"),
    wrong(MODULE, "if _is_same_file(os.lstat(self._path), os.fstat(self._fd)):", "if True:",
          "another's dot-lock is removed in the place of ours", f"{FILE}::test_replaced_while_it_is_ours"),

    # stale ones
    wrong(MODULE, "            if not stat.S_ISREG(status.st_mode):\n                return\n", "",
          "a device in its place is opened", f"{FILE}::test_no_file"),
    wrong(MODULE, "os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK", "os.O_RDONLY | os.O_NONBLOCK",
          "a link in its place is followed", UNFIT_BY_NOW),
    wrong(MODULE, "os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK", "os.O_RDONLY | os.O_NOFOLLOW",
          "a FIFO in its place is waited for", UNFIT_BY_NOW),
    wrong(MODULE, "        except BlockingIOError:\n            return\n",
          "        except BlockingIOError:\n            pass\n", "two sessions that find a stale one remove each other's",
          f"{FILE}::test_while_another_removes_it"),
    wrong(MODULE, "if stat.S_ISREG(status.st_mode) and not is_mailbox", "if not is_mailbox",
          "what is no file is removed", UNFIT_BY_NOW),
    wrong(MODULE, 'text.lstrip(b"\\r\\n")[:5]', "text[:5]",
          "a mailbox that begins with empty lines is removed", f"{FILE}::test_a_mailbox_in_its_place"),
    wrong(MODULE, "if _is_same_file(now, status) and now.st_mtime_ns == status.st_mtime_ns:", "if True:",
          "the next one is removed in the place of the stale one", f"{FILE}::test_another_one_by_now"),
    wrong(MODULE, "if process == _DEAD and len(words) > 1:", "if False:", "a dot-lock of another host is removed", LIVE),
    wrong(MODULE, "if process == _ALIVE and written < _boot_time():", "if False:",
          "a number that another process has got since", STALE),
    wrong(MODULE, "time.time() - written >= DOTLOCK_STALE_S", "False", "a dot-lock without process is waited for without end",
          STALE),
    wrong(MODULE, "time.time() - written >= DOTLOCK_STALE_S", "True", "a young dot-lock without process is removed", LIVE),
    wrong(MODULE, "    if not 0 < pid < 2**31:\n        return _UNKNOWN\n", "", "any number of digits is a process", STALE),
    wrong(MODULE, "    except ProcessLookupError:\n        return _DEAD\n",
          "    except ProcessLookupError:\n        return _ALIVE\n", "a killed session's dot-lock is waited for",
          f"{FILE}::test_a_stale_one"),
)

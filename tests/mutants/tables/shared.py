"""Mutations of the log, and of limits."""

from __future__ import annotations

from tests.mutants.mutation import wrong

LOG = "tests/unit/shared/test_log.py"
RECORD = "tests/unit/shared/test_record.py"
COMMANDS = "tests/unit/shared/test_commands.py"
LINES = "tests/unit/shared/test_lines.py"
IMAGE = "tests/unit/shared/test_image.py"
STDERR = "tests/super/test_stderr_log.py"

# fmt: off
MUTATIONS = (
    # log
    wrong("shared/log.py", '"".join(c if " " <= c <= "~" else "?" for c in text[:LOG_TEXT_OCTETS])', "text[:LOG_TEXT_OCTETS]",
          "line ends and escapes reach the log", f"{LOG}::test_only_printable"),
    wrong("shared/log.py", '" " <= c', '"\\t" <= c', "control characters reach the log", f"{LOG}::test_only_printable"),
    wrong("shared/log.py", '<= "~"', '<= "\\x7f"', "DEL reaches the log", f"{LOG}::test_only_printable"),
    wrong("shared/log.py", "text[:LOG_TEXT_OCTETS]", "text", "a client decides how long a log line is", f"{LOG}::test_cut"),
    wrong("shared/limits.py", "LOG_TEXT_OCTETS = 512", "LOG_TEXT_OCTETS = 511", "a log line's length", f"{LOG}::test_cut"),
    wrong("shared/log.py", "{type(error).__name__} at", "{error!r} at", "an exception's text, with a password, is logged",
          f"{LOG}::test_crash"),
    wrong("shared/log.py", "trace = trace.tb_next", "trace = None", "only the outermost place of a bug is logged",
          f"{LOG}::test_crash"),
    wrong("shared/log.py", "syslog.LOG_DAEMON", "syslog.LOG_USER", "the log's facility", f"{LOG}::test_priorities"),
    wrong("shared/log.py", "syslog.LOG_PID | syslog.LOG_NDELAY", "syslog.LOG_NDELAY", "log lines without process",
          f"{LOG}::test_names"),

    wrong("shared/log.py", 'head = f"<{priority}>" if _Log.target == JOURNAL else time', "head = time",
          "the journal takes all lines for equally important", f"{STDERR}::test_journal"),
    wrong("shared/log.py", "syslog.LOG_PID | syslog.LOG_PERROR", "syslog.LOG_PID", "in a container nobody hears what PAM's modules say",
          "tests/super/test_stderr_log.py::test_modules_of_pam"),
    wrong("shared/log.py", "_Log.facility | priority, text", "priority, text", "lines have another facility",
          f"{STDERR}::test_system_log_first", f"{STDERR}::test_reload"),
    wrong("shared/log.py", "    except OSError:\n        pass  # nobody reads it any more\n", "    finally:\n        pass\n",
          "a session ends with the reader of its log", f"{STDERR}::test_reader_that_has_gone"),
    wrong("shared/arguments.py", 'raise Misused(f"unknown option {word}")', 'raise Misused("unknown option --")',
          "a wrong option is not named", "tests/unit/shared/test_arguments.py::test_mistakes"),

    # limits
    wrong("shared/limits.py", "ARGUMENT_OCTETS = 40", "ARGUMENT_OCTETS = 41", "words of 41 octets", f"{COMMANDS}::test_no_commands"),
    wrong("shared/limits.py", "ARGUMENT_OCTETS = 40", "ARGUMENT_OCTETS = 39", "no words of 40 octets", f"{COMMANDS}::test_commands"),
    wrong("shared/limits.py", "NAME_OCTETS = 250", "NAME_OCTETS = 251", "a name that no line has", f"{COMMANDS}::test_no_commands",
          f"{RECORD}::test_forged_login"),
    wrong("shared/limits.py", "NAME_OCTETS = 250", "NAME_OCTETS = 249", "no name of 250 octets", f"{COMMANDS}::test_commands",
          f"{RECORD}::test_longest_login"),
    wrong("shared/limits.py", "PASSWORD_OCTETS = 512", "PASSWORD_OCTETS = 513", "passwords that PAM has no room for",
          f"{RECORD}::test_forged_login"),
    wrong("shared/limits.py", "PASSWORD_OCTETS = 512", "PASSWORD_OCTETS = 511", "no passwords of 512 octets",
          f"{RECORD}::test_longest_login"),
    wrong("shared/limits.py", "\nLINE_OCTETS = 255", "\nLINE_OCTETS = 256", "how long a line may be", f"{COMMANDS}::test_length"),
    wrong("shared/limits.py", "\nLINE_OCTETS = 255", "\nLINE_OCTETS = 254", "how long a line may be", f"{COMMANDS}::test_length"),
    wrong("shared/limits.py", "STATE_NAME_OCTETS = 40", "STATE_NAME_OCTETS = 250", "files with names that no file can have",
          "tests/root/test_sasl.py::test_the_longest_name"),
    wrong("shared/limits.py", "LOGIN_LINES = 200", "LOGIN_LINES = 201", "another limit than the page's",
          "tests/unit/test_documents.py::test_limits"),
    wrong("shared/limits.py", "NUMBER_MAX = 2**31 - 1", "NUMBER_MAX = 2**31", "a number beyond C's int",
          f"{COMMANDS}::test_no_numbers"),
    wrong("shared/limits.py", "NUMBER_MAX = 2**31 - 1", "NUMBER_MAX = 2**31 - 2", "C's greatest int", f"{COMMANDS}::test_numbers"),
    wrong("shared/limits.py", "LOCK_TIMEOUT_S = 20", "LOCK_TIMEOUT_S = 25", "how long another's lock is waited for",
          "tests/unit/owner/mailbox/test_locks.py::test_how_long_a_lock_is_waited_for"),
    wrong("shared/limits.py", "READ_OCTETS = 4096", "READ_OCTETS = 4097", "what root takes as sent ahead",
          f"{RECORD}::test_forged_login"),
    wrong("shared/limits.py", "READ_OCTETS = 4096", "READ_OCTETS = 4095", "what root takes as sent ahead",
          f"{RECORD}::test_longest_login"),

    # image
    wrong("shared/image.py", "status.st_mtime_ns != time_ns or ", "", "a file that was edited counts as it was before",
          f"{IMAGE}::test_of_other_sources"),
    wrong("shared/image.py", " or status.st_size != octets", "", "a file with another size counts as it was before",
          f"{IMAGE}::test_of_other_sources"),
    wrong("shared/image.py", "            self._sections.clear()", "            pass", "modules of two versions in one program",
          f"{IMAGE}::test_changed_meanwhile"),
    wrong("shared/image.py", "        except OSError:\n            return False", "        except OSError:\n            return True",
          "a module that was removed is still there", f"{IMAGE}::test_source_removed"),
    wrong("shared/image.py", "            if part[0] not in sys.modules:", "            if True:", "two modules of one name",
          f"{IMAGE}::test_each_module_once"),
    wrong("shared/image.py", "            del sys.modules[name]\n", "            pass\n", "a module that failed counts as loaded",
          f"{IMAGE}::test_module_that_fails"),
    wrong("shared/image.py", "name if is_package else package", "package", "a package that takes itself for a module",
          f"{IMAGE}::test_as_without"),
    wrong("bin/popa3d-session", "MAGIC_NUMBER + len(image).to_bytes(4, \"big\")", "image[:8]", "half an image is run",
          f"{IMAGE}::test_not_whole"),
    wrong("bin/popa3d-session", "image[:8] == MAGIC_NUMBER +", "image[4:8] ==", "another Python's code is run",
          f"{IMAGE}::test_not_whole"),
    wrong("bin/popa3d-images", "        status = os.stat(file.fileno())  # before it is read: what is written meanwhile makes the file "
          "look different\n", "        status = os.stat(library)\n", "the image is never used", f"{IMAGE}::test_as_without"),
    wrong("bin/popa3d-images", "os.fchmod(file.fileno(), 0o644)", "pass", "the owner's program cannot read its image",
          f"{IMAGE}::test_the_same_again"),
)

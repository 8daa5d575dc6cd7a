"""Mutations of what the manual pages say of the program: options, log lines, limits."""

from __future__ import annotations

from tests.mutants.mutation import wrong

DOCUMENTS = "tests/unit/test_documents.py"
LOG_LINES = "tests/unit/test_log_lines.py"

# fmt: off
MUTATIONS = (
    wrong("shared/arguments.py", 'if letter in "hV":', 'if letter in "hVv":', "an option that no page explains",
          f"{DOCUMENTS}::test_options"),
    wrong("shared/limits.py", "INVALID_COMMANDS = 20", "INVALID_COMMANDS = 30", "another limit than the page's",
          f"{DOCUMENTS}::test_limits"),
    wrong("root/listen/listener.py", '"Configuration reloaded"', '"Configuration read again"', "a log line that is not listed",
          f"{LOG_LINES}::test_what_is_logged_is_listed", f"{LOG_LINES}::test_what_is_listed_is_logged"),
    wrong("root/listen/listener.py", 'log.INFO, "Configuration reloaded"', 'log.NOTICE, "Configuration reloaded"',
          "a priority that is not the page's", f"{LOG_LINES}::test_what_is_logged_is_listed"),
)
# fmt: on

"""Whose updates were interrupted, by the names of the journals in a user's state directory.

Runs as: root.
Trusts: nobody. Of a user's directory it reads only file names, and users can write any into theirs.
"""

import errno
import os
import re

from ..shared.limits import RECOVERY_ACCOUNTS, RECOVERY_FILES, STATE_NAME_OCTETS

# As owner/update/journal.py names its files: one, or several, then with a dot and more behind it.
_JOURNAL = re.compile(r"(.+)-[0-9a-f]{16}\.journal(\..*)?")


def stem(name: str) -> str:
    """What the names of files for the account `name` begin with: its name, or the first STATE_NAME_OCTETS of it."""
    return os.fsdecode(os.fsencode(name)[:STATE_NAME_OCTETS])


def stems_of_journals(state: str, uid: int) -> set[str]:
    """The stems of the journals in the directory of user `uid` in `state`. Raises OSError.

    Whether they belong to accounts of the user's is for the caller to see.
    """
    stems = set()
    fd = os.open(f"{state}/{uid}", os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        with os.scandir(fd) as entries:
            for count, entry in enumerate(entries):
                match = _JOURNAL.fullmatch(entry.name)
                if match:
                    stems.add(match[1])
                if count >= RECOVERY_FILES or len(stems) > RECOVERY_ACCOUNTS:
                    raise OSError(errno.E2BIG, "too many files", f"{state}/{uid}")
    finally:
        os.close(fd)
    return stems

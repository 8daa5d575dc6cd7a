"""Whose updates were interrupted: told by the names of the journals in a user's state directory.

Runs as: root.
Trusts: nobody. Of a user's directory it reads only file names, and users can write any into theirs.
"""

import errno
import os
import re

# As owner/update/journal.py names what it has begun: one file, or some, then with a dot and more behind it. A mailbox has two
# hundred at most, and a user one or two mailboxes. More files than this were made by the user; root stops looking.
_JOURNAL = re.compile(r"(.+)-[0-9a-f]{16}\.journal(\..*)?")
_FILES = 1000
_ACCOUNTS = 20


def accounts_with_journals(state: str, uid: int) -> set[str]:
    """The names of accounts for which there are journals in the directory of user `uid` in `state`. Raises OSError.

    Whether these accounts are the user's is for the caller to see.
    """
    names = set()
    fd = os.open(f"{state}/{uid}", os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        with os.scandir(fd) as entries:
            for count, entry in enumerate(entries):
                match = _JOURNAL.fullmatch(entry.name)
                if match:
                    names.add(match[1])
                if count >= _FILES or len(names) > _ACCOUNTS:
                    raise OSError(errno.E2BIG, "too many files", f"{state}/{uid}")
    finally:
        os.close(fd)
    return names

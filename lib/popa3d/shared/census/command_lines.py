"""What a process's command line says: whether the process is one of popa3d's, and which.

popa3d is a script. So its processes are `/usr/bin/python3 -IBS .../popa3d ...`, and after the login
`/usr/bin/python3 -IBS .../popa3d-session`, or with -D `/usr/bin/python3 -IBS .../popa3d-starter VERSION`, as which the
starter itself runs too.

Runs as: the operator, and root where the administrator limits sessions.
Trusts: nobody; any user can start a process with any command line.
"""

import os

from .. import arguments

_ROOT, _OWNER = b"popa3d", (b"popa3d-session", b"popa3d-starter")
_NEEDED = frozenset(b"IS")  # Python's options: popa3d's programs are always run isolated and without site
_FLAGS = frozenset(b"bBdEiIOPqRsSuvx")  # those without an argument: with others, the script is not the next word


class CommandLine:
    """One of popa3d's. interpreter, program: paths as given. authenticated: it is the owner's program. daemon: -D or -F."""

    __slots__ = ("authenticated", "daemon", "interpreter", "program")

    def __init__(self, interpreter: str, program: str, authenticated: bool, daemon: bool) -> None:
        self.interpreter = interpreter
        self.program = program
        self.authenticated = authenticated
        self.daemon = daemon


def parse(words: list[bytes]) -> CommandLine | None:
    """The CommandLine in a process's arguments; None if it is not one of popa3d's."""
    if len(words) < 3 or not _isolated(words[1]):
        return None
    interpreter, program = os.fsdecode(words[0]), os.fsdecode(words[2])
    name = words[2].rpartition(b"/")[2]
    if name in _OWNER:
        return CommandLine(interpreter, program, True, False)
    if name == _ROOT:
        return CommandLine(interpreter, program, False, _listens(words[3:]))
    return None


def _isolated(word: bytes) -> bool:
    """Whether a word is a cluster of Python's options such as popa3d's programs have."""
    return word[:1] == b"-" and _NEEDED <= frozenset(word[1:]) <= _FLAGS


def _listens(words: list[bytes]) -> bool:
    """Whether these arguments make popa3d a daemon."""
    try:
        return arguments.parse([os.fsdecode(word) for word in words]).action == arguments.LISTEN
    except arguments.Misused:
        return False

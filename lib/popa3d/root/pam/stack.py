"""The lines of popa3d's PAM service file, with those that it includes, and what is wrong with them. For popa3d-check alone.

Linux-PAM says these things only in the log, at each login (libpam/pam_handlers.c): a module that is not there fails like one
that does not know the user, a kind or a control that is none fails too, a missing file ends pam_start(3), and files that include
each other make it crash.

Runs as: root.
Trusts: the administrator's files, within bounds.
"""

import os
import re

from ...shared.limits import PAM_INCLUDES
from . import service_file

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

_KINDS = (b"auth", b"account")  # what popa3d asks of PAM
_OTHER_KINDS = (b"session", b"password")
_CONTROLS = (b"required", b"requisite", b"sufficient", b"optional")
_LINE = re.compile(rb"(-?)(\S+) +(\[(?:\\.|[^]\\])*\]|\S+) +(\S+)")

# Modules of Linux-PAM's that compare a password with nothing, or with the shadow file.
_ASK_NO_OTHERS = re.compile(
    rb"pam_(access|cap|debug|deny|echo|env|faildelay|faillock|group|issue|keyinit|listfile|localuser|mail|nologin|permit"
    rb"|securetty|sepermit|shells|succeed_if|tally2|time|unix|usertype|warn|wheel)\.so"
)
_UNIX = b"pam_unix.so"


class Line:
    """A line that names a module. place: "FILE:LINE". kind: such as b"auth". is_quiet: the kind has a "-" before it."""

    __slots__ = ("control", "is_quiet", "kind", "module", "place")

    def __init__(self, place: str, is_quiet: bool, kind: bytes, control: bytes, module: bytes) -> None:
        self.place = place
        self.is_quiet = is_quiet
        self.kind = kind
        self.control = control
        self.module = module

    def must_pass(self) -> bool:
        """Whether nobody can log in if the module is missing, whatever the other lines are."""
        if self.control.startswith(b"["):
            actions = dict(re.findall(rb"(\w+)=(\w+)", self.control))
            return actions.get(b"module_unknown", actions.get(b"default", b"bad")) in (b"bad", b"die")
        return self.control in (b"required", b"requisite")


class Stack:
    """All lines, in their order. faults, notes: what PAM cannot use, each with its place; notes where popa3d does not ask."""

    def __init__(self, path: str) -> None:
        """Read the service file `path`, and what it includes."""
        self.lines: list[Line] = []
        self.faults: list[str] = []
        self.notes: list[str] = []
        self._followed: set[tuple[str, bytes]] = set()
        self._follow([path], service_file.text(path) or b"", b"")

    def missing(self, directories: list[str]) -> "Iterator[Line]":
        """The lines whose modules are in none of the directories, nor are absolute names of files."""
        for line in self.lines:
            name = os.fsdecode(line.module)
            paths = [name] if name.startswith("/") else [f"{directory}/{name}" for directory in directories]
            if paths and b"$ISA" not in line.module and not any(map(os.path.exists, paths)):
                yield line

    def askers(self) -> list[str]:
        """The modules, pam_unix.so apart, that may compare passwords with something else than the shadow file."""
        names = [os.path.basename(line.module) for line in self.lines if line.kind == b"auth"]
        return [os.fsdecode(name) for name in dict.fromkeys(names) if not _ASK_NO_OTHERS.fullmatch(name)]

    def asks_unix(self) -> bool:
        """Whether pam_unix.so compares passwords."""
        return any(line.kind == b"auth" and os.path.basename(line.module) == _UNIX for line in self.lines)

    def _follow(self, paths: list[str], text: bytes, only: bytes) -> None:
        """Take the lines of the last of `paths`, each of which the one before includes. only: those of this kind, or of all."""
        path = paths[-1]
        if (path, only) in self._followed:
            return  # whatever there is to say is said
        self._followed.add((path, only))
        for number, words in service_file.lines(text):
            place = f"{path}:{number}"
            if words[0].lower() == b"@include" and len(words) > 1:
                self._include(paths, place, words[1], only)
                continue
            match = _LINE.match(b" ".join(words))
            if match is None:
                self.faults.append(f"{place} has no kind, control and module")
                continue
            kind, control, module = match[2].lower(), match[3].lower(), match[4]
            if kind not in _KINDS + _OTHER_KINDS:
                self.faults.append(f"{place}: there is no kind {_shown(match[2])}")
            elif only not in (b"", kind):
                continue
            elif control in (b"include", b"substack"):
                self._include(paths, place, module, kind)
            elif control not in _CONTROLS and not control.startswith(b"["):
                self.faults.append(f"{place}: there is no control {_shown(match[3])}")
            else:
                self.lines.append(Line(place, bool(match[1]), kind, control, module))

    def _include(self, paths: list[str], place: str, name: bytes, only: bytes) -> None:
        found = service_file.included(name)
        if found is None:
            told = self.notes if only in _OTHER_KINDS else self.faults
            told.append(f"{place} includes {_shown(name)}, which does not exist")
        elif found[0] in paths:
            self.faults.append(f"{place} includes {_shown(name)}, which includes this file")
        elif len(paths) > PAM_INCLUDES:
            self.faults.append(f"{place} includes {_shown(name)}: more than {PAM_INCLUDES} files, one in the other")
        else:
            self._follow([*paths, found[0]], found[1], only)


def directories() -> list[str]:
    """Where this process's libpam looks for modules: it has the names compiled in. None if libpam is not loaded."""
    try:
        with open("/proc/self/maps", encoding="utf-8", errors="surrogateescape") as maps:
            path = re.search(r"/\S*/libpam\.so\.0\S*$", maps.read(), re.M)
        with open(path[0] if path else "", "rb") as library:
            names = re.findall(rb"(?<=\0)(/[!-~]*/security)/?(?=\0)", library.read())
    except OSError:
        return []
    return [os.fsdecode(name) for name in names]


def asked(line: Line) -> bool:
    """Whether popa3d asks PAM for lines of this kind."""
    return line.kind in _KINDS


def _shown(word: bytes) -> str:
    return word.decode("ascii", "replace")

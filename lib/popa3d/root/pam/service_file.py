"""Whether there is a PAM service file for popa3d that decides about logins.

Where a service's file has no line for authentication, or none for accounts, Linux-PAM uses the service "other". That is not
what the administrator decided for mail. So the file must have lines for both, its own or included ones.

Runs as: root.
Trusts: the administrator's files, within bounds.
"""

import posix as os  # as os, without its start-up time

from ...shared import Failure
from ...shared.limits import PAM_FILE_OCTETS, PAM_INCLUDES, PAM_SERVICE_FILES

TYPE_CHECKING = False  # the typing module would cost start-up time
if TYPE_CHECKING:
    from collections.abc import Iterator

_NEEDED = {b"auth", b"account"}
_BLANK = b" \t"


class Insufficient(Failure):
    """PAM cannot be asked: there is no file, or it lacks lines."""


def check() -> str:
    """The path of the service's file. Raises Insufficient unless it decides about logins.

    The first file that is there counts, as it does for Linux-PAM (libpam/pam_handlers.c).
    """
    for path in PAM_SERVICE_FILES:
        text = _text(path)
        if text is not None:
            missing = sorted(_NEEDED - _kinds(text, PAM_INCLUDES))
            if missing:
                raise Insufficient(f"{path} has no line for {b' and '.join(missing).decode()}")
            return path
    raise Insufficient(f"No PAM service file {PAM_SERVICE_FILES[0]}")


def _kinds(text: bytes, includes: int) -> set[bytes]:
    """Which of _NEEDED the text has lines for. includes: how deep files may still include each other.

    A line is `TYPE CONTROL MODULE ...`, or has a file for its type (`TYPE include FILE`) or for all types (`@include FILE`).
    """
    kinds = set()
    for words in _lines(text):
        kind = words[0].removeprefix(b"-").lower()
        if kind == b"@include" and len(words) >= 2:
            kinds |= _included(words[1], includes)
        elif len(words) >= 3:
            kinds |= {kind} & _included(words[2], includes) if words[1].lower() in (b"include", b"substack") else {kind}
    return kinds & _NEEDED


def _included(file: bytes, includes: int) -> set[bytes]:
    """As `_kinds`, for an included file, which is in the directory of one of PAM_SERVICE_FILES, or absolute; none if missing."""
    name = file.decode("utf-8", "surrogateescape")
    for path in PAM_SERVICE_FILES if includes else ():
        text = _text(name if name.startswith("/") else f"{path.rpartition('/')[0]}/{name}")
        if text is not None:
            return _kinds(text, includes - 1)
    return set()


def _lines(text: bytes) -> "Iterator[list[bytes]]":
    """The words of each line, as Linux-PAM reads it: a comment ends a line that "\\" continues, an empty line does not."""
    line = b""
    for piece in text.split(b"\n"):
        part, comment, _ = piece.strip(_BLANK).partition(b"#")
        if part and not comment and part.endswith(b"\\"):
            line += part[:-1] + b" "
        elif part:
            yield [word for word in (line + part).replace(b"\t", b" ").split(b" ") if word]
            line = b""


def _text(path: str) -> bytes | None:
    """The content of a file, or its beginning; None if there is no file. A file that cannot be read counts as an empty one."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except (OSError, ValueError):
        return None
    try:
        return os.read(fd, PAM_FILE_OCTETS)
    except OSError:
        return b""
    finally:
        os.close(fd)

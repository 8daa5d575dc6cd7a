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
        found = text(path)
        if found is not None:
            missing = sorted(_NEEDED - _kinds(found, PAM_INCLUDES))
            if missing:
                raise Insufficient(f"{path} has no line for {b' and '.join(missing).decode()}")
            return path
    raise Insufficient(f"No PAM service file {PAM_SERVICE_FILES[0]}")


def _kinds(content: bytes, includes: int) -> set[bytes]:
    """Which of _NEEDED a file with that content has lines for. includes: how deep files may still include each other.

    A line is `TYPE CONTROL MODULE ...`, or has a file for its type (`TYPE include FILE`) or for all types (`@include FILE`).
    """
    kinds = set()
    for _number, words in lines(content):
        kind = words[0].removeprefix(b"-").lower()
        if kind == b"@include" and len(words) >= 2:
            kinds |= _kinds_included(words[1], includes)
        elif len(words) >= 3:
            kinds |= {kind} & _kinds_included(words[2], includes) if words[1].lower() in (b"include", b"substack") else {kind}
    return kinds & _NEEDED


def _kinds_included(file: bytes, includes: int) -> set[bytes]:
    """As `_kinds`, for an included file; none if it is missing."""
    found = included(file) if includes else None
    return _kinds(found[1], includes - 1) if found else set()


def included(file: bytes) -> tuple[str, bytes] | None:
    """Path and content of an included file, which is in the directory of one of PAM_SERVICE_FILES, or absolute."""
    name = file.decode("utf-8", "surrogateescape")
    for service in PAM_SERVICE_FILES:
        path = name if name.startswith("/") else f"{service.rpartition('/')[0]}/{name}"
        content = text(path)
        if content is not None:
            return path, content
    return None


def lines(content: bytes) -> "Iterator[tuple[int, list[bytes]]]":
    """The number and the words of each line, as Linux-PAM reads it.

    A comment ends a line that "\\" continues, an empty line does not. Such a line has the number of its end.
    """
    line = b""
    for number, piece in enumerate(content.split(b"\n"), 1):
        part, comment, _ = piece.strip(_BLANK).partition(b"#")
        if part and not comment and part.endswith(b"\\"):
            line += part[:-1] + b" "
        elif part:
            yield number, [word for word in (line + part).replace(b"\t", b" ").split(b" ") if word]
            line = b""


def text(path: str) -> bytes | None:
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

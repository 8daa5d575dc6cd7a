"""Whether there is a PAM service file for popa3d that says something.

Linux-PAM takes from the service "other" what a service's file lacks: for authentication, and for accounts. What "other" says
is not what the administrator has decided for mail. So a file counts if it has lines for both, its own or included ones.

Runs as: root.
Trusts: the administrator's files, within bounds.
"""

import posix as os  # as os, without its start-up time

from ...shared.limits import PAM_FILE_OCTETS, PAM_INCLUDES, PAM_SERVICE_FILES

TYPE_CHECKING = False  # the typing module would cost start-up time
if TYPE_CHECKING:
    from collections.abc import Iterator

_WANTED = {b"auth", b"account"}
_BLANK = b" \t"


def fault() -> str:
    """Why PAM cannot be asked, for the log; empty if it can.

    The first file that is there counts, as it does for Linux-PAM (libpam/pam_handlers.c).
    """
    for path in PAM_SERVICE_FILES:
        text = _text(path)
        if text is not None:
            missing = sorted(_WANTED - _kinds(text, PAM_INCLUDES))
            return f"{path} has no line for {b' and '.join(missing).decode()}" if missing else ""
    return f"No PAM service file {PAM_SERVICE_FILES[0]}"


def _kinds(text: bytes, includes: int) -> set[bytes]:
    """Which of _WANTED there are lines for.

    A line is `TYPE CONTROL MODULE ...`, or has a file for its type (`TYPE include FILE`) or for all types (`@include FILE`).
    """
    found = set()
    for words in _lines(text):
        kind = words[0].removeprefix(b"-").lower()
        if kind == b"@include" and len(words) >= 2:
            found |= _included(words[1], includes)
        elif len(words) >= 3:
            found |= {kind} & _included(words[2], includes) if words[1].lower() in (b"include", b"substack") else {kind}
    return found & _WANTED


def _included(file: bytes, includes: int) -> set[bytes]:
    """The same for an included file; one that is not there has none."""
    name = file.decode("utf-8", "surrogateescape")
    for place in PAM_SERVICE_FILES if includes else ():
        text = _text(name if name.startswith("/") else f"{place.rpartition('/')[0]}/{name}")
        if text is not None:
            return _kinds(text, includes - 1)
    return set()


def _lines(text: bytes) -> "Iterator[list[bytes]]":
    """The words of each line, as Linux-PAM reads it: a comment ends a line, also one that would go on; empty lines do not."""
    line = b""
    for piece in text.split(b"\n"):
        said, comment, _ = piece.strip(_BLANK).partition(b"#")
        if said and not comment and said.endswith(b"\\"):
            line += said[:-1] + b" "
        elif said:
            yield [word for word in (line + said).replace(b"\t", b" ").split(b" ") if word]
            line = b""


def _text(path: str) -> bytes | None:
    """The content of a file, or its beginning; None if there is none. What cannot be read is there, and has nothing to say."""
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

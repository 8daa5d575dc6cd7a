"""Whether there is a PAM service file for popa3d that says something.

Linux-PAM takes from the service "other" what a service's file lacks: for authentication, and for accounts. What "other" says
is not what the administrator has decided for mail. So a file counts if it has lines for both, its own or included ones.

Runs as: root.
Trusts: the administrator's files, within bounds.
"""

import posix as os  # as os, without its start-up time

from ..params import PAM_FILE_OCTETS, PAM_INCLUDES, PAM_SERVICE_FILES

_WANTED = {b"auth", b"account"}


def fault() -> str:
    """Why PAM cannot be asked, for the log; empty if it can.

    The first file that is there counts, as it does for Linux-PAM (libpam/pam_handlers.c).
    """
    for path in PAM_SERVICE_FILES:
        text = _text(path)
        if text is not None:
            missing = sorted(_WANTED - _kinds(text, path.rpartition("/")[0], PAM_INCLUDES))
            return f"{path} has no line for {b' and '.join(missing).decode()}" if missing else ""
    return f"No PAM service file {PAM_SERVICE_FILES[0]}"


def _kinds(text: bytes, directory: str, includes: int) -> set[bytes]:
    """Which of _WANTED there are lines for: `TYPE CONTROL MODULE ...`, or a file for all types (`@include FILE`)."""
    found = set()
    for line in text.replace(b"\\\n", b" ").splitlines():
        words = line.partition(b"#")[0].split()
        if len(words) >= 3:
            found.add(words[0].removeprefix(b"-").lower())
        elif len(words) == 2 and words[0].lower() == b"@include" and includes:
            name = words[1].decode("utf-8", "surrogateescape")
            included = _text(name if name.startswith("/") else f"{directory}/{name}")
            if included is not None:
                found |= _kinds(included, directory, includes - 1)
    return found & _WANTED


def _text(path: str) -> bytes | None:
    """The content of a file, or its beginning; None if there is none to be had."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except (OSError, ValueError):
        return None
    try:
        return os.read(fd, PAM_FILE_OCTETS)
    except OSError:
        return None
    finally:
        os.close(fd)

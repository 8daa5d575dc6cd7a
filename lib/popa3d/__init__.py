"""popa3d, a POP3 server with privilege separation.

Runs as: any uid (nothing is executed here).
Trusts: nothing.
"""

VERSION = "2.0.0"
DATE = "2026-11-23"


def version_line(program: str) -> str:
    """What `program -V` prints, without the line end."""
    return f"{program} version {VERSION} ({DATE})"

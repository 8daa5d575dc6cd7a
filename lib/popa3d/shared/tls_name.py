"""What processes of TLS are called, so that the census finds a session's TLS process, and holds the keeper for no listener.

Here, too: the other process beside a listener, which copies the log.

Runs as: any uid.
Trusts: nobody; whoever reads a name must know whose process it is.
"""

# The process's name as the kernel has it (proc(5), comm) has 15 octets. A process id has seven digits at most.
_PREFIX = "tls"

# The keeper of the TLS key, which is root's.
KEEPER = "popa3d-keeper"

# The process that copies the log to the listener's standard error.
COPIER = "popa3d-log"


def encode(version: str, pid: int) -> str:
    """The name of the TLS process of session `pid`. version: OpenSSL's word for it, or empty before the end of the handshake."""
    return f"{_PREFIX}{version.removeprefix('TLSv')} {pid}"


def decode(name: str) -> tuple[str, int] | None:
    """What popa3d-status shows ("TLS 1.3", or "TLS" before the end of the handshake), and the session; None for other names."""
    version, _, pid = name.removeprefix(_PREFIX).partition(" ")
    if not name.startswith(_PREFIX) or not (pid.isascii() and pid.isdigit()):
        return None
    if version and not all(letter in "0123456789." for letter in version):
        return None
    return f"TLS {version}".rstrip(), int(pid)

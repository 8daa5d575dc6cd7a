"""What popa3d's processes are called where their command line does not say what they are, for the census and for people.

The keeper of the TLS key, TLS processes and spare sessions are forked, so that they have the command line of what forked
them. A session that the starter has forked says which process had its client before it.

Runs as: any uid.
Trusts: nobody; whoever reads a name must know whose process it is.
"""

# The process's name as the kernel has it (proc(5), comm) has 15 octets. A process id has seven digits at most.
_TLS = "tls"
_SESSION = "popa3d "

ROOT = "popa3d"  # what root's process of a session is called by itself
KEEPER = "popa3d-keeper"
SPARE = "popa3d-spare"
COPIER = "popa3d-copier"  # of the log, to standard error


def encode(version: str, pid: int) -> str:
    """The name of the TLS process of session `pid`. version: OpenSSL's word for it, or empty before the end of the handshake."""
    return f"{_TLS}{version.removeprefix('TLSv')} {pid}"


def decode(name: str) -> tuple[str, int] | None:
    """What popa3d-status shows ("TLS 1.3", or "TLS" before the end of the handshake), and the session; None for other names."""
    version, _, pid = name.removeprefix(_TLS).partition(" ")
    if not name.startswith(_TLS) or not (pid.isascii() and pid.isdigit()):
        return None
    if version and not all(letter in "0123456789." for letter in version):
        return None
    return f"TLS {version}".rstrip(), int(pid)


def encode_session(pid: int) -> str:
    """The name of an owner's session that goes on with the client of root's process `pid`."""
    return f"{_SESSION}{pid}"


def decode_session(name: str) -> int:
    """The process of root's whose client the session has; 0 for other names."""
    pid = name.removeprefix(_SESSION)
    return int(pid) if name.startswith(_SESSION) and pid.isascii() and pid.isdigit() else 0

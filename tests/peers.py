"""Other people's servers and delivery agents, as Debian ships them: downloaded and unpacked below build/peers, not installed.

Installing them would start a super-server on the machine, or put the C popa3d where ours may be.

    python3 -m tests.peers [package ...]    fetch these, or all; what is there already is not fetched again
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

PEERS = Path(__file__).resolve().parent.parent / "build/peers"
AGENTS = ("procmail", "maildrop", "courier-authlib", "dma", "opensmtpd")
PROXIES = ("nginx", "libnginx-mod-mail", "haproxy")
PACKAGES = ("popa3d", "openbsd-inetd", "tcpd", "xinetd", "fail2ban", "dovecot-core", "dovecot-pop3d", *AGENTS, *PROXIES)
NOT_NEEDED = ("liblua5.4-0",)  # by plugins of Dovecot that are not loaded


def program(package: str, path: str) -> Path:
    """A file of an unpacked package; FileNotFoundError with the way to get it if it is not there."""
    found = PEERS / package / path.lstrip("/")
    if not found.exists():
        raise FileNotFoundError(f"{found}: fetch it with: make test, or python3 -m tests.peers {package}")
    return found


def _installed(package: str) -> bool:
    done = subprocess.run(["dpkg-query", "-W", "-f", "${Status}", package], capture_output=True, text=True, check=False)
    return "ok installed" in done.stdout


def _libraries(package: str) -> list[str]:
    """The shared libraries that the package depends on and the machine lacks."""
    done = subprocess.run(["apt-cache", "depends", "--important", package], capture_output=True, text=True, check=True)
    names = re.findall(r"Depends: (lib[a-z0-9.+-]+)", done.stdout)
    return [name for name in names if name not in NOT_NEEDED and not _installed(name)]


def fetch(package: str) -> None:
    """Download and unpack one package; its libraries are installed. CalledProcessError if Debian does not have it."""
    place = PEERS / package
    if (place / "fetched").exists():
        return
    place.mkdir(parents=True, exist_ok=True)
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    if subprocess.run(["apt-get", "-q", "download", package], cwd=place, check=False, **quiet).returncode:  # type: ignore[call-overload]
        subprocess.run(["apt-get", "-q", "update"], check=True)
        subprocess.run(["apt-get", "-q", "download", package], cwd=place, check=True)
    for archive in place.glob("*.deb"):
        subprocess.run(["dpkg", "-x", archive, place], check=True)
        archive.unlink()
    libraries = _libraries(package)
    if libraries:
        environment = dict(os.environ, DEBIAN_FRONTEND="noninteractive")
        subprocess.run(["apt-get", "-qy", "install", "--no-install-recommends", *libraries], check=True, env=environment)
    (place / "fetched").touch()


if __name__ == "__main__":
    for name in sys.argv[1:] or PACKAGES:
        fetch(name)

"""A minimal Debian, and beside it, in its /srv/archive, the packages that the tests install there without a network.

    python3 -m tests.package.clean_root     makes it below build/clean-root, once; needs root, mmdebstrap and the network

Where Debian's packages come from is what apt on this machine is configured for.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

PLACE = Path(__file__).resolve().parents[2] / "build/clean-root"
ROOT = PLACE / "root"
LAYERS = PLACE / "layers"  # what is installed there for several tests (machine.layers)
ARCHIVE = "srv/archive"
# The C popa3d, what ours depends on or is used with, two init systems, and Dovecot. All that these need comes along.
COMMON = (
    "popa3d openbsd-inetd netbase libwrap0 adduser libpam-runtime libpam0g python3 python3-pampy python3-psutil update-inetd"
    " openssl autopkgtest fail2ban python3-systemd"
)
WANTED = (f"{COMMON} systemd-sysv dbus", f"{COMMON} sysvinit-core initscripts", "dovecot-pop3d sysvinit-core")
# What ours recommends, with all that this recommends in turn, on a host with sysvinit.
RECOMMENDED = "sysvinit-core default-mta libwrap0"
DOWNLOAD = "apt-get -qy --download-only install"
ASK = ["apt-get", "indextargets", "--format", "deb $(REPO_URI) $(RELEASE) $(COMPONENT)", "Created-By: Packages", "Origin: Debian"]


def make() -> None:
    """Make the root where it is missing or older than this file says. CalledProcessError if that fails."""
    stamp = PLACE / "made"
    if stamp.exists() and stamp.read_text() == repr((WANTED, RECOMMENDED)):
        return
    shutil.rmtree(PLACE, ignore_errors=True)
    PLACE.mkdir(parents=True)
    sources = subprocess.run(ASK, capture_output=True, text=True, check=True).stdout
    (suite,) = re.findall(r"^VERSION_CODENAME=(.*)$", Path("/etc/os-release").read_text(), re.M)
    hooks = [
        *[f'chroot "$1" {DOWNLOAD} --no-install-recommends {packages}' for packages in WANTED],
        f'chroot "$1" {DOWNLOAD} --install-recommends {RECOMMENDED}',
        f'mkdir "$1/{ARCHIVE}" && mv "$1"/var/cache/apt/archives/*.deb "$1/{ARCHIVE}/"',
        f'cd "$1/{ARCHIVE}" && dpkg-scanpackages -m . > Packages',
        f'echo "deb [trusted=yes] file:/{ARCHIVE} ./" > "$1/etc/apt/sources.list"; rm -f "$1"/etc/apt/sources.list.d/*',
        'printf "127.0.0.1 localhost\\n::1 localhost\\n" > "$1/etc/hosts"',
        'rm -rf "$1"/var/lib/apt/lists/* && chroot "$1" apt-get -q update',
    ]
    options = ["--quiet", "--mode=root", "--variant=minbase", "--skip=cleanup/apt", '--aptopt=Acquire::Retries "3"']
    options += [f"--customize-hook={hook}" for hook in hooks]
    subprocess.run(["mmdebstrap", *options, suite, str(ROOT), "-"], input=sources, text=True, check=True, stdout=sys.stderr)
    stamp.write_text(repr((WANTED, RECOMMENDED)))


if __name__ == "__main__":
    make()

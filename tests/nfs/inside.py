"""The first process of the kernel in which NFS is tried: it makes the server and its two clients, and runs the tests.

Runs as: root, in that kernel.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import subprocess
import sys
import traceback
from pathlib import Path

from tests.nfs import EXPORTED, LEASE_S, MOUNTS, PLACE, SQUASHED
from tests.peers import program

SAYS = "tests.nfs ended with status "
_FINIT_MODULE = 313  # on x86-64
_POWER_OFF = 0x4321FEDC
_FILES = ("veth", "loop", "nfsd", "nfsv4")
_OPTIONS = "rw,sync,no_subtree_check,insecure"


def run(*command: str | Path) -> None:
    """Run a program, which must succeed."""
    subprocess.run([str(word) for word in command], check=True)


def mount(kind: str, source: str | Path, target: str, options: str = "") -> None:
    """Mount without helpers, of which none is installed."""
    Path(target).mkdir(parents=True, exist_ok=True)
    run("mount", "-i", "-t", kind, *(("-o", options) if options else ()), source, target)


def load_modules() -> None:
    """Load modules of the kernel, each after those that it needs."""
    (modules,) = program("user-mode-linux", "usr/lib/uml/modules").iterdir()
    needed = {}
    for line in (modules / "modules.dep").read_text().splitlines():
        name, _, names = line.partition(":")
        needed[name] = names.split()
    for wanted in _FILES:
        (path,) = (name for name in needed if name.endswith(f"/{wanted}.ko"))
        for name in [*reversed(needed[path]), path]:
            with (modules / name).open("rb") as file:
                ctypes.CDLL(None).syscall(_FINIT_MODULE, file.fileno(), b"", 0)  # it may be there already


def serve() -> None:
    """Two disks, exported over NFS version 4: with root as root, and with root as nobody."""
    exports = [(EXPORTED, "no_root_squash,fsid=0"), (EXPORTED / "squashed", "root_squash,fsid=1")]
    for number, (path, _) in enumerate(exports):
        disk = PLACE / f"disk-{number}"
        with disk.open("wb") as file:
            file.truncate(300 << 20)
        run("mkfs.ext4", "-q", "-F", disk)
        mount("ext4", disk, str(path), "loop")
    mount("nfsd", "nfsd", "/proc/fs/nfsd")
    for name in ("nfsv4gracetime", "nfsv4leasetime"):
        Path("/proc/fs/nfsd", name).write_text(str(LEASE_S))
    for name in ("v4recovery", "rpc_pipefs"):
        Path("/var/lib/nfs", name).mkdir(parents=True)
    for name in ("etab", "rmtab"):
        Path("/var/lib/nfs", name).touch()
    for path, options in exports:
        run(program("nfs-kernel-server", "usr/sbin/exportfs"), "-i", "-o", f"{_OPTIONS},{options}", f"*:{path}")
    run(program("nfs-kernel-server", "usr/sbin/rpc.mountd"), "-N", "2", "-N", "3")
    run(program("nfs-kernel-server", "usr/sbin/rpc.nfsd"), "-N", "3", "-U", "8")
    Path("/proc/fs/nfsd/v4_end_grace").write_text("Y")


def connect(host: str, number: int) -> None:
    """Another network, from which the export is mounted under another host's name."""
    run("ip", "netns", "add", host)
    run("ip", "link", "add", f"to-{host}", "type", "veth", "peer", "name", "eth0", "netns", host)
    run("ip", "addr", "add", f"10.0.{number}.1/24", "dev", f"to-{host}")
    run("ip", "link", "set", f"to-{host}", "up")
    run("ip", "-n", host, "addr", "add", f"10.0.{number}.2/24", "dev", "eth0")
    run("ip", "-n", host, "link", "set", "eth0", "up")
    options = f"vers=4.2,addr=10.0.{number}.1,clientaddr=10.0.{number}.2"
    places = {"/": MOUNTS[host]} | ({"/squashed": SQUASHED} if host == "a" else {})
    for path, place in places.items():
        place.mkdir()
        words = f"hostname host-{host}; exec mount -i -t nfs4 -o {options} 10.0.{number}.1:{path} {place}"
        run("nsenter", f"--net=/run/netns/{host}", "unshare", "--uts", "sh", "-c", words)


def main() -> int:
    """Set all up and run the tests; their status."""
    os.environ.update(PATH="/usr/sbin:/usr/bin:/sbin:/bin", HOME="/", LC_ALL="C.UTF-8")
    mount("proc", "proc", "/proc")
    mount("sysfs", "sys", "/sys")
    mount("devpts", "devpts", "/dev/pts")
    for place in ("/run", str(PLACE), "/var/lib", "/dev/shm"):
        mount("tmpfs", "tmpfs", place)
    Path("/var/lib/dpkg").mkdir()  # tests/host.py shows it to its host
    os.environ["TMPDIR"] = str(PLACE)
    run("ip", "link", "set", "lo", "up")
    load_modules()
    serve()
    for number, host in enumerate(MOUNTS, 1):
        connect(host, number)
    return subprocess.run(
        [sys.executable, "-B", "-m", "pytest", "--color=no", "tests/nfs/claims.py", *sys.argv[1:]], check=False
    ).returncode


if __name__ == "__main__":
    status = 1
    with contextlib.suppress(BaseException):
        try:
            status = main()
        except BaseException:
            traceback.print_exc(file=sys.stdout)
    print(f"{SAYS}{status}", flush=True)
    ctypes.CDLL(None).reboot(ctypes.c_uint(_POWER_OFF))

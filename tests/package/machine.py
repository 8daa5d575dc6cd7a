"""A private Debian host for the package: its own root file system, processes and /run, with or without systemd as process 1.

The network and /dev/log are those of the tests' private host, so a test is a client on 127.0.0.1 and reads the log. With
systemd it has a /dev of its own, and the log is in its journal.

Runs as: root, inside the private host of tests/host.py. What is written goes to memory, and is gone with the machine.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import stat
import subprocess
import tempfile
import time
from pathlib import Path

from tests import parallel
from tests.host import BASE, Account, _mount, bind, crypted, tmpfs, unmount
from tests.package import clean_root
from tests.talk import children, state, wait_until

ENVIRONMENT = {
    "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
    "HOME": "/root",
    "LC_ALL": "C.UTF-8",
    "DEBIAN_FRONTEND": "noninteractive",
    "APT_LISTCHANGES_FRONTEND": "none",
}

# In namespaces of its own: the root becomes that of the machine, and process 1 an init, or what takes its place.
ENTER = """
set -e
cd "$1"; init=$2
mount -t proc proc proc
mount -t tmpfs -o mode=0755 run run
mkdir run/lock old-root
mount -t tmpfs -o mode=0755 dev dev
for name in null zero full random urandom tty; do touch dev/$name; mount --bind /dev/$name dev/$name; done
mkdir dev/pts dev/shm
mount -t devpts -o newinstance,ptmxmode=0666 devpts dev/pts
ln -s pts/ptmx dev/ptmx
if [ "$init" = systemd ]; then
    mount -t sysfs -o ro sysfs sys
    mount -t tmpfs cgroup sys/fs/cgroup && mount -t cgroup2 cgroup sys/fs/cgroup
else
    touch dev/log
    mount --bind /dev/log dev/log
    mkfifo -m 600 run/initctl
    : > run/utmp
fi
pivot_root . old-root
umount -l old-root
rmdir old-root
: > /run/entered
case $init in
systemd) exec env -i container=popa3d-tests /lib/systemd/systemd > /dev/null 2>&1 ;;
sysv) exec env -i /sbin/init > /dev/null 2>&1 ;;
esac
exec 3<> /run/initctl
while :; do sleep 1000 & wait; done
"""

# What sysvinit does: it starts what is on in runlevel 2, and says when that is done.
INITTAB = "id:2:initdefault:\nl2:2:wait:/etc/init.d/rc 2\nup:2:wait:/bin/touch /run/rc-is-done\n"
SECONDS = 60

# What installing and removing packages changes apart from them. insserv and ldconfig remember what they have seen.
VOLATILE = {"dev", "proc", "run", "sys", "tmp", "srv", "var/cache", "var/log", "var/backups"}
VOLATILE |= {f"var/lib/{name}" for name in ("apt", "dpkg", "systemd", "dbus")}
VOLATILE |= {f"etc/{name}" for name in ("ld.so.cache", "passwd-", "group-", "shadow-", "gshadow-", ".pwd.lock")}
VOLATILE |= {f"etc/init.d/.depend.{name}" for name in ("boot", "start", "stop")}

COMMANDS = "cd /proc; for p in [0-9]*; do tr '\\0' ' ' < $p/cmdline; echo; done 2> /dev/null"


class Machine:
    """A running host on top of `lowers`, directories of which the first is the upper one; a context manager.

    init: "sysv" and "systemd", which the layers must have; else nothing is started. root: its root directory, as the tests
    see it. It can be entered again after it has ended, which is a reboot; /var/mail is a file system that is the same then.
    """

    def __init__(self, lowers: list[Path], init: str = "none") -> None:
        self._place = Path(tempfile.mkdtemp(prefix="machine-", dir=BASE))
        self._lowers = lowers
        self._init = init
        self._cgroup: Path | None = None
        tmpfs(self._place)
        for name in ("upper", "work", "root", "mail"):
            (self._place / name).mkdir(mode=0o755)
        os.chown(self._place / "mail", 0, 8)
        (self._place / "mail").chmod(0o2775)
        self.root = self._place / "root"
        over = ":".join(str(lower) for lower in lowers)
        options = f"lowerdir={over},upperdir={self._place}/upper,workdir={self._place}/work"
        self._options = options

    def __enter__(self) -> Machine:
        _mount("overlay", self.root, "overlay", data=self._options)
        bind(self._place / "mail", self.root / "var/mail")
        if self._init == "sysv":
            (self.root / "etc/inittab").write_text(INITTAB)
        command = ["unshare", "--mount", "--pid", "--uts", "--fork", "--kill-child", "sh", "-c", ENTER, "sh"]
        command += [str(self.root), self._init]
        if self._init == "systemd":
            self._cgroup = self._unified() / f"popa3d-tests-{os.getpid()}-{self._place.name}"
            self._cgroup.mkdir()
            command[1:1] = ["--cgroup"]
            inside = 'echo $$ > "$0"/cgroup.procs; exec "$@"'
            command = ["sh", "-c", inside, str(self._cgroup), *command]
        self._outer = subprocess.Popen(command)
        wait_until(lambda: bool(children(self._outer.pid)) or self._outer.poll() is not None, SECONDS)
        assert self._outer.poll() is None, "the namespaces cannot be made"
        self._inner = children(self._outer.pid)[0]
        try:
            wait_until(self._entered, SECONDS)
            if self._init == "systemd":
                self.run("systemctl", "is-system-running", "--wait", status=None)
            if self._init == "sysv":
                wait_until(lambda: Path(f"/proc/{self._inner}/root/run/rc-is-done").exists(), SECONDS)
        except AssertionError:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._outer.kill()  # and with it process 1, and with that all others
        self._outer.wait()
        wait_until(self._ended, SECONDS)
        unmount(self.root)
        if self._cgroup:
            for path, _directories, _files in os.walk(self._cgroup, topdown=False):
                end = time.monotonic() + SECONDS
                while True:
                    try:
                        os.rmdir(path)
                        break
                    except OSError:
                        assert time.monotonic() < end, f"{path} is in use"
                        time.sleep(0.01)

    def reboot(self) -> None:
        """All processes end as when the power fails, and it starts again."""
        self.__exit__()
        self.__enter__()

    def discard(self) -> None:
        """Forget what was written. Not before machines on top of this one have ended."""
        unmount(self._place)
        self._place.rmdir()

    def copy_to(self, place: Path) -> None:
        """Put what was written, which is a layer for other machines, into an empty directory; after the machine has ended."""
        subprocess.run(["cp", "-a", f"{self._place}/upper/.", place], check=True)

    def run(self, *command: str, status: int | None = 0, **environment: str) -> str:
        """What a command in the machine prints, in both ways; AssertionError if it does not end with `status` (None: any)."""
        enter = ["nsenter", "--target", str(self._inner), "--mount", "--pid", "--uts", "--root", "--wd"]
        if self._init == "systemd":
            enter.append("--cgroup")
        variables = [f"{name}={value}" for name, value in {**ENVIRONMENT, **environment}.items()]
        with tempfile.TemporaryFile() as output:  # not a pipe: a daemon that keeps it open is not waited for
            done = subprocess.run(
                [*enter, "env", "-i", *variables, *command],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                timeout=600,  # what has not ended by then hangs
                check=False,
            )
            output.seek(0)
            said = output.read().decode("utf-8", "backslashreplace")
        assert status is None or done.returncode == status, f"{command}: {done.returncode}\n{said}"
        return said

    def install(self, *packages: str) -> str:
        """Let apt-get install what is in the archive, or files."""
        return self.run("apt-get", "-qy", "--no-install-recommends", "install", *packages)

    def put(self, file: Path) -> str:
        """Copy a file to the machine's /srv; its path there. (Where systemd runs, /tmp may be one that only it sees.)"""
        shutil.copy(file, self.root / "srv")
        return f"/srv/{file.name}"

    def status(self, package: str = "popa3d") -> str:
        """What dpkg says of it: "ii", "rc" or nothing."""
        return self.run("dpkg-query", "-W", "-f", "${db:Status-Abbrev}", package, status=None).partition(" ")[0]

    def add(self, account: Account) -> None:
        """An account that can log in."""
        lines = {
            "passwd": f"{account.name}:x:{account.uid}:{account.uid}:{account.name}:/nonexistent:/bin/false\n",
            "shadow": f"{account.name}:{crypted(account.password)}:19000:0:99999:7:::\n",
            "group": f"{account.name}:x:{account.uid}:\n",
        }
        for name, line in lines.items():
            with (self.root / "etc" / name).open("a") as file:
                file.write(line)

    def deliver(self, name: str, uid: int, mbox: bytes) -> Path:
        """Make `mbox` the mailbox of an account; old enough for C popa3d not to wait a second."""
        path = self.root / "var/mail" / name
        path.write_bytes(mbox)
        os.chown(path, uid, 8)
        path.chmod(0o660)
        os.utime(path, (1e9, 1e9))
        return path

    def processes(self, part: str) -> list[str]:
        """The command lines of the machine's living processes that contain `part`."""
        return [line.strip() for line in self.run("sh", "-c", COMMANDS).splitlines() if part in line and "/proc" not in line]

    def is_rid_of(self, part: str) -> bool:
        """Whether there is no such process any more. What a daemon's end leaves ends by itself, if a moment later."""
        end = time.monotonic() + 20
        while self.processes(part):
            if time.monotonic() > end:
                return False
            time.sleep(0.1)
        return True

    def listing(self) -> dict[str, str]:
        """Each lasting file of the machine: type, mode, owner, and content."""
        found = {}
        for place, directories, files in os.walk(self.root):
            inside = Path(place).relative_to(self.root)
            directories[:] = [name for name in directories if str(inside / name) not in VOLATILE and name != "__pycache__"]
            for name in [*directories, *files]:
                if str(inside / name) in VOLATILE:
                    continue
                path = Path(place, name)
                what = path.lstat()
                content = ""
                if stat.S_ISLNK(what.st_mode):
                    content = os.readlink(path)
                elif stat.S_ISREG(what.st_mode):
                    content = hashlib.sha256(path.read_bytes()).hexdigest()
                found[f"/{inside / name}"] = f"{what.st_mode:o} {what.st_uid}:{what.st_gid} {content}"
        return found

    def _entered(self) -> bool:
        inside = Path(f"/proc/{self._inner}/root")
        if self._init == "systemd":
            return (inside / "run/systemd/private").exists()
        return (inside / "run/entered").exists()

    def _ended(self) -> bool:
        """Whether process 1 is gone, or waits for the tests' own process 1 to bury it: then all others are gone."""
        try:
            return state(self._inner) == "Z"
        except OSError:
            return True

    @staticmethod
    def _unified() -> Path:
        for line in Path("/proc/self/mounts").read_text().splitlines():
            words = line.split()
            if words[2] == "cgroup2":
                return Path(words[1])
        raise OSError("no cgroup2 is mounted")


def layers(lowers: list[Path], account: Account, *packages: str) -> list[Path]:
    """What a machine with these packages and this account is put on; it is made once for each minimal root."""
    key = hashlib.sha256(repr((Path(__file__).read_bytes(), lowers, account, packages)).encode()).hexdigest()[:16]
    clean_root.LAYERS.mkdir(exist_ok=True)
    place = clean_root.LAYERS / key
    with parallel.once(place) as making:
        if making is not None:
            with Machine(lowers) as machine:
                machine.install(*packages)
                if account.name not in machine.run("getent", "passwd", account.name, status=None):
                    machine.add(account)
            machine.copy_to(making)
            machine.discard()
    return [place, *lowers]

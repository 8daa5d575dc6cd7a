"""What README.md and INSTALL.md tell to do, in a fresh Debian that has nothing but what is essential, git, make and python3.

    python3 -B -m tests.fresh RELEASE [command ...]     RELEASE: bookworm or trixie (make test-fresh RELEASE=trixie)

Each command gets a system of its own, with a clone of what is committed here; without commands, the documents' are taken,
word by word, and `make lint`. Debian's packages come from where apt of this machine gets its own, PyPI and the npm
registry are asked as pip and npm of this machine are told to. The last system stays in build/fresh/RELEASE/root, to be looked at.

Runs as: root, with the machine's network. File systems and processes are namespaces of its own, which end with the command.
"""

from __future__ import annotations

import configparser
import os
import re
import shlex
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import NamedTuple

CHECKOUT = Path(__file__).resolve().parent.parent
README = (CHECKOUT / "README.md").read_text()
INSTALL = (CHECKOUT / "INSTALL.md").read_text()
CLONE = "root/popa3d"
PACKAGES = "git,make,python3,ca-certificates"
ASK = ["apt-get", "indextargets", "--format", "deb $(REPO_URI) $(RELEASE) $(COMPONENT)", "Created-By: Packages", "Origin: Debian"]
# How this machine reaches the network, and no other setting of apt, pip and npm. (Check-: whether old package lists will do.)
APT_KEYS = re.compile(r"Acquire::(https?::|Check-|Retries|ForceIPv)")
PIP_KEYS = ("cert", "index-url", "proxy", "timeout", "trusted-host")
PIP_FILES = ("/etc/xdg/pip/pip.conf", "/etc/pip.conf", "~/.pip/pip.conf", "~/.config/pip/pip.conf")
NPM_KEYS = ("cafile", "https-proxy", "noproxy", "proxy", "registry", "strict-ssl")
NPM_VARIABLES = ("node_extra_ca_certs", *(f"npm_config_{key.replace('-', '_')}" for key in NPM_KEYS))
NETWORK = ("http_proxy", "https_proxy", "no_proxy", *NPM_VARIABLES)
VARIABLES = {key: value for key, value in os.environ.items() if key.lower() in NETWORK}
CERTIFICATES = Path("/usr/local/share/ca-certificates")

ENVIRONMENT = {"PATH": "/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/root", "TERM": "dumb", **VARIABLES}

# In mount and process namespaces of its own: $1 becomes the root, and $2 is run there.
ENTER = """
set -e
mount --bind "$1" "$1"
cd "$1"
mount -t proc proc proc
mount --rbind /sys sys
mount --rbind /dev dev
mkdir old-root
pivot_root . old-root
umount -l old-root
rmdir old-root
cd /root/popa3d
sh -exc "$2" < /dev/null
exit 0
"""

# The demonstration does not end by itself: its curl line is tried, then it is ended. (A shell's background ignores Ctrl-C.)
TRIED = """
set +x
make run > /tmp/said 2>&1 &
until grep -q '^What it logs' /tmp/said; do
    kill -0 $! || { cat /tmp/said; exit 1; }
    sleep 1
done
sh -ec "$(sed -n 's/^ *\\(curl .*\\/1 .*\\)    .*/\\1/p' /tmp/said)" > /tmp/message
grep 'Lunch on Thursday' /tmp/message
kill $(cat /proc/$!/task/$!/children)
wait $!
cat /tmp/said
"""

# Mail is fetched from what was installed, in a network of its own: the machine's own port 110 is not ours.
SERVED = "python3 -B -m tests.fresh_daemon"


class Trial(NamedTuple):
    """What is done in one fresh system, and how it is called in the summary."""

    name: str
    script: str


def block(document: str, start: str) -> str:
    """The indented block of a document's text that begins with these words; ValueError if there is none."""
    at = document.index(f"\n    {start}") + 1
    return re.sub("^    ", "", re.findall(r"(?:    .*\n)+", document[at:])[0], flags=re.M)


def documented() -> list[Trial]:
    """All that README.md and INSTALL.md tell to do, up to starting popa3d."""
    assert {"make run", "make test"} <= set(re.findall(r"^    (make \w+)   ", README, re.M))
    (install,) = re.findall(r"`(apt-get install \./build/[^`]*)`", README)
    trials = [Trial("make run", TRIED), Trial("make lint", "make lint")]
    deb = block(README, "make deb")
    trials.append(Trial("make deb, and install it", f"{deb}{install}\n{SERVED}"))
    by_hand = "apt-get -q update\n"  # make does it where it installs; a minimal system has no lists, unlike most hosts
    by_hand += block(INSTALL, "apt-get install python3-pampy") + block(INSTALL, "useradd --system")
    trials.append(Trial("make install", f"{by_hand}{SERVED}"))
    trials.append(Trial("make test", "make test"))
    return trials


def sources(release: str) -> str:
    """The lines of sources.list for a release: this machine's own with its name exchanged."""
    (ours,) = re.findall(r"^VERSION_CODENAME=(.*)$", Path("/etc/os-release").read_text(), re.M)
    lines = subprocess.run(ASK, capture_output=True, text=True, check=True).stdout
    return re.sub(rf"\b{ours}\b", release, lines)


def apt_configuration() -> str:
    """What apt here is told about the network; and it asks nobody."""
    dump = subprocess.run(["apt-config", "dump"], capture_output=True, text=True, check=True).stdout
    kept = [line for line in dump.splitlines(True) if APT_KEYS.match(line)]
    return "".join(kept) + 'APT::Get::Assume-Yes "true";\n'


def pip_configuration() -> str:
    """What pip here is told about the network, by files and by the environment."""
    found = configparser.RawConfigParser()
    found.read([os.path.expanduser(name) for name in PIP_FILES] + [os.environ.get("PIP_CONFIG_FILE", os.devnull)])
    kept = dict(found["global"]) if "global" in found else {}
    kept |= {key: os.environ[name] for key in PIP_KEYS if (name := "PIP_" + key.upper().replace("-", "_")) in os.environ}
    return "[global]\n" + "".join(f"{key} = {value}\n" for key, value in kept.items() if key in PIP_KEYS)


def npm_configuration() -> str:
    """What npm here is told about the network by its user's file; its variables are passed on."""
    file = Path("~/.npmrc").expanduser()
    lines = file.read_text().splitlines(True) if file.exists() else []
    return "".join(line for line in lines if line.partition("=")[0].strip() in NPM_KEYS)


def make_base(release: str, base: Path) -> None:
    """A minimal system. CalledProcessError if that cannot be made."""
    options = ["--quiet", "--mode=root", "--variant=minbase", f"--include={PACKAGES}"]
    command = ["unshare", "--mount", "mmdebstrap", *options, release, str(base), "-"]  # it mounts /proc there for a while
    subprocess.run(command, input=sources(release), text=True, check=True)
    shutil.copy("/etc/resolv.conf", base / "etc/resolv.conf")
    (base / "etc/hosts").write_text("127.0.0.1 localhost\n::1 localhost\n")
    (base / "etc/apt/apt.conf.d/99network").write_text(apt_configuration())
    (base / "etc/pip.conf").write_text(pip_configuration())
    (base / "root/.npmrc").write_text(npm_configuration())
    policy = base / "usr/sbin/policy-rc.d"  # no service of a package is started: it would be in the machine's network
    policy.write_text("#!/bin/sh\nexit 101\n")
    policy.chmod(0o755)
    if CERTIFICATES.is_dir():
        shutil.copytree(CERTIFICATES, base / CERTIFICATES.relative_to("/"), dirs_exist_ok=True)
        subprocess.run(["chroot", base, "update-ca-certificates"], check=True, env=ENVIRONMENT, stdout=subprocess.DEVNULL)
    subprocess.run(["git", "-c", "safe.directory=*", "clone", "-q", "--no-hardlinks", CHECKOUT, base / CLONE], check=True)


def tried(trial: Trial, base: Path, root: Path) -> int:
    """The exit status of a trial in a copy of the system."""
    if root.exists():
        shutil.rmtree(root)
    subprocess.run(["cp", "-a", base, root], check=True)
    command = ["setpriv", "--pdeathsig", "KILL", "unshare", "--mount", "--pid", "--fork", "--kill-child"]  # all ends with us
    command += ["sh", "-c", ENTER, "sh", str(root), trial.script]
    return subprocess.run(command, env=ENVIRONMENT, check=False).returncode


def main() -> int:
    """Make the system, try everything, and say how it went; 1 if something failed."""
    release, *commands = sys.argv[1:]
    place = CHECKOUT / "build/fresh" / release
    if place.exists():
        shutil.rmtree(place)
    place.mkdir(parents=True)
    make_base(release, place / "base")
    trials = [Trial(command, command) for command in commands] or documented()
    failed, summary = False, []
    for trial in trials:
        print(f"--- {release}: {shlex.quote(trial.name)}", flush=True)
        start = time.monotonic()
        status = tried(trial, place / "base", place / "root")
        failed |= status != 0
        outcome = "passed" if status == 0 else f"FAILED ({status})"
        summary.append(f"{release}: {trial.name}: {outcome}, {time.monotonic() - start:.0f} s")
    print("\n".join(summary))
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())

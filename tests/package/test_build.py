"""What `make deb` makes: the same octets everywhere, nothing for lintian to say, and exactly the files that are meant."""

from __future__ import annotations

import hashlib
import os
import re
import subprocess
from pathlib import Path

from popa3d import VERSION
from tests.host import CHECKOUT

# Each file of the package, but for the library's modules: its mode, and the directory's where that is not 755.
FILES = """
    755 /etc/init.d/popa3d
    755 /etc/init.d/popa3d-recover
    644 /etc/pam.d/popa3d
    644 /lib/systemd/system/popa3d-recover.service
    644 /lib/systemd/system/popa3d-tls.socket
    644 /lib/systemd/system/popa3d-tls@.service
    644 /lib/systemd/system/popa3d.service
    644 /lib/systemd/system/popa3d.socket
    644 /lib/systemd/system/popa3d@.service
    755 /usr/lib/popa3d/popa3d-images
    755 /usr/lib/popa3d/popa3d-session
    755 /usr/lib/popa3d/popa3d-starter
    644 /usr/lib/popa3d/popa3d/root/sandbox/aarch64.filters
    644 /usr/lib/popa3d/popa3d/root/sandbox/x86_64.filters
    644 /usr/lib/sysusers.d/popa3d.conf
    644 /usr/lib/tmpfiles.d/popa3d.conf
    755 /usr/sbin/popa3d
    755 /usr/sbin/popa3d-check
    755 /usr/sbin/popa3d-migrate
    755 /usr/sbin/popa3d-recover
    755 /usr/sbin/popa3d-status
    755 /usr/share/python3/runtime.d/popa3d.rtupdate
    644 /usr/share/lintian/overrides/popa3d
    644 /usr/share/man/man5/popa3d.toml.5.gz
    644 /usr/share/man/man8/popa3d-check.8.gz
    644 /usr/share/man/man8/popa3d-migrate.8.gz
    644 /usr/share/man/man8/popa3d-recover.8.gz
    644 /usr/share/man/man8/popa3d-status.8.gz
    644 /usr/share/man/man8/popa3d.8.gz
"""
UNITS = re.compile("^/usr/lib/systemd")  # where debhelper puts them after Debian 12
OVERRIDDEN = ["duplicate-updaterc.d-calls-in-postinst", "duplicate-updaterc.d-calls-in-postrm", "initial-upload-closes-no-bugs"]
POLICY = "out-of-date-standards-version,newer-standards-version"
CONFFILES = ["/etc/init.d/popa3d", "/etc/init.d/popa3d-recover", "/etc/pam.d/popa3d"]
DOCUMENTS = ["DESIGN.md", "NEWS.Debian.gz", "README.Debian", "README.md", "SECURITY.md"]
DOCUMENTS += ["changelog.Debian.gz", "changelog.gz", "copyright"]
EXAMPLES = ["certbot/popa3d", "fail2ban/filter.d/popa3d.conf", "fail2ban/jail.d/popa3d.conf"]
EXAMPLES += ["haproxy/haproxy-tls.cfg", "haproxy/haproxy.cfg", "inetd/inetd.conf"]
EXAMPLES += ["nginx/hosts", "nginx/nginx.conf", "nginx/popa3d-hosts", "nginx/popa3d-hosts.service"]
EXAMPLES += ["popa3d.toml", "xinetd/popa3d", "xinetd/popa3d-tls"]


def contents(package: Path) -> dict[str, tuple[str, str]]:
    """Each path of the package: its mode, as ls prints it, and its owner."""
    done = subprocess.run(["dpkg-deb", "-c", package], capture_output=True, text=True, check=True)
    lines = [line.split(maxsplit=5) for line in done.stdout.splitlines()]
    return {UNITS.sub("/lib/systemd", words[5].removeprefix(".")): (words[0], words[1]) for words in lines}


def octal(mode: str) -> str:
    """rwxr-xr-x as 755."""
    return "".join(str(sum(1 << (2 - i) for i in range(3) if mode[1 + 3 * j + i] != "-")) for j in range(3))


def test_the_files(package: Path) -> None:
    """The package has these files with these modes, all root's, and each module of the library; no bytecode, nothing else."""
    found = contents(package)
    assert {owner for _, owner in found.values()} == {"root/root"}
    files = {path: octal(mode) for path, (mode, _) in found.items() if mode[0] != "d"}
    assert {octal(mode) for mode, _ in found.values() if mode[0] == "d"} == {"755"}
    assert "/var/lib/popa3d/" in found
    modules = sorted(str(path.relative_to(CHECKOUT / "lib")) for path in (CHECKOUT / "lib/popa3d").rglob("*.py"))
    expected = {path: mode for mode, path in (line.split() for line in FILES.split("\n") if line)}
    expected |= {f"/usr/lib/popa3d/{module}": "644" for module in modules}
    documents = [path for path in files if path.startswith("/usr/share/doc/popa3d/")]
    assert {path: mode for path, mode in files.items() if path not in documents} == expected
    names = sorted(path.removeprefix("/usr/share/doc/popa3d/") for path in documents)
    assert [name for name in names if "/" not in name] == DOCUMENTS
    assert [name.removeprefix("examples/") for name in names if name.startswith("examples/")] == EXAMPLES
    assert {"docs/MIGRATION.md", "docs/TLS.md"} <= set(names)
    assert {files[path] for path in documents} == {"644"}


def test_what_it_says_of_itself(package: Path) -> None:
    """Version, relations and conffiles are those of C popa3d's successor."""
    assert field(package, "Version") == f"{VERSION}-1"
    assert field(package, "Provides") == field(package, "Conflicts") == "pop3-server"
    assert not field(package, "Replaces")
    depends = field(package, "Depends")
    needed_packages = "python3-pampy python3-psutil libpam-runtime adduser update-inetd netbase"
    for needed in ("python3 (>= 3.11)", *needed_packages.split()):
        assert needed in depends.split(", ")
    assert field(package, "Recommends") == "default-mta | mail-transport-agent, libwrap0"
    assert field(package, "Suggests") == "fail2ban, openbsd-inetd | inet-superserver"
    done = subprocess.run(["dpkg-deb", "--info", package, "conffiles"], capture_output=True, text=True, check=True)
    assert sorted(done.stdout.split()) == CONFFILES


def field(package: Path, name: str) -> str:
    """A field of its control file."""
    return subprocess.run(["dpkg-deb", "-f", package, name], capture_output=True, text=True, check=True).stdout.strip()


def test_the_programs_are_as_they_were_written(package: Path, tmp_path: Path) -> None:
    """No tool has changed the first line of a program, and each finds the library and the worker in their new places."""
    subprocess.run(["dpkg-deb", "-x", package, tmp_path], check=True)
    for name in (
        "sbin/popa3d",
        "sbin/popa3d-migrate",
        "sbin/popa3d-check",
        "sbin/popa3d-recover",
        "sbin/popa3d-status",
        "lib/popa3d/popa3d-session",
        "lib/popa3d/popa3d-images",
        "lib/popa3d/popa3d-starter",
    ):
        text = (tmp_path / "usr" / name).read_text()
        assert text.startswith("#!/usr/bin/python3 -IBS\n")
        assert 'LIBRARY = "/usr/lib/popa3d"\n' in text and "HERE" not in text
        assert ('WORKER = "/usr/lib/popa3d/popa3d-session"\n' in text) == (
            name in ("sbin/popa3d", "sbin/popa3d-migrate", "sbin/popa3d-recover")
        )
    for path in tmp_path.rglob("*"):
        if path.is_file() and path.suffix != ".gz" and "doc" not in path.parts:
            assert "/usr/local" not in path.read_text() or path.name == "limits.py", path


def sums(place: Path) -> dict[str, str]:
    """The check sums of all that was made, but of what tells about the machine it was made on."""
    made = [path for path in place.glob("popa3d_*") if path.suffix not in (".buildinfo", ".changes")]
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in made}


def test_the_same_octets(package: Path, tmp_path: Path) -> None:
    """From an archive of the tree without git, in another place, with another umask, clock zone and language: no difference."""
    tree = tmp_path / "elsewhere" / "a tree"
    tree.mkdir(parents=True)
    command = f"xargs cp -a --parents -t '{tree}' < {package.parent}/deb/files && cp -a --parents -t '{tree}' packaging/debian"
    subprocess.run(["sh", "-c", command], cwd=CHECKOUT, check=True)
    for path in tree.rglob("*"):
        if not path.is_symlink():
            path.chmod(path.stat().st_mode & 0o700)
            os.utime(path, (1e9, 1e9))  # in 2001
    environment = dict(os.environ, TZ="Pacific/Kiritimati", LC_ALL="C", MAKEFLAGS="-- PREFIX=/elsewhere", USER="somebody")
    command = "umask 077; packaging/make-deb ../made"
    done = subprocess.run(["sh", "-c", command], cwd=tree, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert len(sums(package.parent)) == 4
    assert sums(tmp_path / "elsewhere/made") == sums(package.parent)


def test_lintian(package: Path) -> None:
    """lintian has nothing to say, not even for information; each of the overrides is used, and has a reason.

    It is not asked about Standards-Version: the newest that it knows is another one in each release of Debian.
    """
    changes = next(package.parent.glob("*_*.changes"))
    options = ["--allow-root", "--no-cfg", "--show-overrides", "--display-level=>=info", f"--suppress-tags={POLICY}"]
    command = ["lintian", *options, str(changes)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    lines = [line for line in done.stdout.splitlines() if not line.startswith("N: ")]
    assert all(line.startswith("O: ") for line in lines), done.stdout
    assert sorted(line.split()[2] for line in lines) == OVERRIDDEN
    overrides = (CHECKOUT / "packaging/debian/popa3d.lintian-overrides").read_text().splitlines()
    assert all(line.startswith("#") for line in overrides[::2]) and len(overrides) == 2 * len(lines)


def test_another_python(package: Path, tmp_path: Path) -> None:
    """When Debian changes its Python, the images are made anew, after the bytecode; at other times they are left alone."""
    subprocess.run(["dpkg-deb", "-x", package, tmp_path], check=True)
    text = (tmp_path / "usr/share/python3/runtime.d/popa3d.rtupdate").read_text()
    for name in ("py3clean", "py3compile", "popa3d-images"):
        (tmp_path / name).write_text('#!/bin/sh\necho "${0##*/}"\n')
        (tmp_path / name).chmod(0o755)
    script = text.replace("/usr/lib/popa3d/popa3d-images", "popa3d-images")
    environment = {"PATH": f"{tmp_path}:/usr/bin:/bin"}
    for moment, expected in (("rtupdate", ["py3clean", "py3compile", "popa3d-images"]), ("post-rtupdate", [])):
        command = ["sh", "-c", script, "popa3d.rtupdate", moment]
        done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
        assert done.stdout.split() == expected

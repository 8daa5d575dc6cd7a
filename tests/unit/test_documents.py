"""The documents agree with the code: options, limits, files that are named, links between pages, the README's length."""

from __future__ import annotations

import ast
import re
import subprocess
from pathlib import Path

import pytest

from popa3d.shared import Failure, arguments, limits, proxy_limits
from tests.bench import scale
from tests.host import CHECKOUT

LIB = CHECKOUT / "lib/popa3d"
PAGES = sorted([*CHECKOUT.glob("*.md"), *CHECKOUT.glob("docs/*.md")])
MANUALS = sorted(CHECKOUT.glob("man/*"))
README_LINES = 130
LINE_LETTERS = 120

# --- Options ---


def manual_options(program: str) -> tuple[set[str], list[set[str]]]:
    """The options in the SYNOPSIS of a manual page, and those that it explains, in groups of one meaning."""
    text = (CHECKOUT / f"man/{program}.8").read_text()
    synopsis = text[text.index(".Sh SYNOPSIS") : text.index(".Sh DESCRIPTION")]
    summed_up: set[str] = set()
    for words in re.findall(r"^\.(?:Op )?Fl (.*)$", synopsis, re.M):
        for word in re.sub(r" Ar .*", "", words).split(" | "):
            summed_up |= {f"-{word}"} if word.startswith("-") else {f"-{letter}" for letter in word}
    explained = [{f"-{word}" for word in re.findall(r"Fl (\S+)", line)} for line in re.findall(r"^\.It (Fl .*)$", text, re.M)]
    return summed_up, explained


def written_options(program: str) -> set[str]:
    """The options in the source of a program's command line: all strings that look like one."""
    modules = [path for path in LIB.rglob("*.py") if re.search(rf'"usage: {program} |prog="{program}"', path.read_text())]
    assert len(modules) == 1, f"the command line of {program}: {modules}"
    nodes = ast.walk(ast.parse(modules[0].read_text()))
    texts = [node.value for node in nodes if isinstance(node, ast.Constant) and isinstance(node.value, str)]
    return {text for text in texts if re.fullmatch(r"-[A-Za-z]|--[a-z-]+", text)}


def accepted_options() -> set[str]:
    """All letters that popa3d's own command line takes."""
    accepted = set()
    for letter in map(chr, range(ord("!"), ord("~") + 1)):
        try:
            arguments.parse([f"-{letter}"])
        except Failure as failure:
            if failure.reason.startswith(("unknown option", "unexpected argument")):
                continue
        accepted.add(f"-{letter}")
    return accepted


OPTIONS = {
    "popa3d": accepted_options() | {"--help"},
    "popa3d-migrate": written_options("popa3d-migrate"),
    "popa3d-recover": written_options("popa3d-recover"),
    "popa3d-check": written_options("popa3d-check") | {"-h", "--help"},  # argparse's own
    "popa3d-status": written_options("popa3d-status") | {"-h", "--help"},  # argparse's own
}


@pytest.mark.parametrize("program", OPTIONS)
def test_options(program: str) -> None:
    """Each option is explained in the manual page, one of each meaning is in its SYNOPSIS, and there are no others."""
    summed_up, explained = manual_options(program)
    assert set.union(*explained) == OPTIONS[program]
    assert summed_up <= OPTIONS[program]
    assert [group for group in explained if not group & summed_up] == []


@pytest.mark.parametrize("program", OPTIONS)
def test_help(program: str) -> None:
    """Each program that people start prints a line for each option with -h, and where its manual is."""
    done = subprocess.run([CHECKOUT / "bin" / program, "-h"], capture_output=True, text=True, check=True)
    lines = re.findall(r"^  (-.*?)(?:  |$)", done.stdout, re.M)
    assert set(re.findall(r"--[a-z-]+|-\w\b", " ".join(lines))) == OPTIONS[program]
    assert re.search(rf"\nThe manual: {program}\(8\).*\n$", done.stdout)


# --- Limits ---


def test_limits() -> None:
    """The manual page's table of limits has the values of the code."""
    text = (CHECKOUT / "man/popa3d.8").read_text()
    rows = re.findall(r"^\.It (.*?) Ta (.*?) Ta ", text[text.index(".Sh LIMITS") : text.index(".Sh FILES")], re.M)
    assert {name.strip('"'): value.strip('"') for name, value in rows[1:]} == {
        "Logins in one connection": "one PASS or AUTH",
        "Invalid commands before a login": f"{limits.INVALID_COMMANDS}",
        "Lines of any kind before a login": f"{limits.LOGIN_LINES}",
        "Command line (a longer one is refused)": f"{limits.LINE_OCTETS} octets",
        "The same, of AUTH": f"{limits.AUTH_LINE_OCTETS} octets",
        "User name": f"{limits.NAME_OCTETS} octets",
        f"Password (with PASS {limits.LINE_OCTETS - len('PASS ')} octets)": f"{limits.PASSWORD_OCTETS} octets",
        "Number in a command": f"{limits.ARGUMENT_OCTETS} digits",
        "Value of a number": f"{limits.NUMBER_MAX}",
        "Greeting to PASS or AUTH": f"{limits.LOGIN_TIMEOUT_S} s",
        "PAM and the name services": f"{limits.PAM_TIMEOUT_S} s",
        "A command line, or progress of a reply": f"{limits.TIMEOUT_S} s",
        "Header of a proxy": f"{proxy_limits.PROXY_HEADER_S} s",
        "The same, of version 1": f"{proxy_limits.PROXY_V1_OCTETS} octets",
        "The same, of version 2": f"{proxy_limits.PROXY_V2_OCTETS} octets",
        "Waiting for another program's lock": f"{limits.LOCK_TIMEOUT_S} s",
        "Messages in a mailbox": f"{limits.MAX_MESSAGES}",
        "Size of a mailbox": f"{limits.MAX_OCTETS // 2**30} GiB",
    }


# --- Pages ---


def anchors(page: Path) -> set[str]:
    """What links can name in a page: its headings, as sites that show Markdown write them."""
    headings = re.findall(r"^#+ (.*)$", page.read_text(), re.M)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links(page: Path) -> None:
    """Each link to a file leads to one, and each to a heading to a heading."""
    for target in re.findall(r"\]\(([^)]+)\)", page.read_text()):
        file, _, anchor = target.partition("#")
        path = page.parent / file if file else page
        assert path.is_file(), target
        assert not anchor or anchor in anchors(path), target


@pytest.mark.parametrize("page", [*PAGES, *MANUALS], ids=lambda page: page.name)
def test_files_that_are_named(page: Path) -> None:
    """Files and folders of the source that a page names are there: with their whole path, or their path in the library."""
    if page.name == "CHANGES.md":
        return  # it tells of what was
    text = page.read_text()
    for path in re.findall(r"(?<![\w/])(?:lib|bin|tests|packaging|docs|man)/[\w./-]*\w", text):
        assert (CHECKOUT / path).exists(), path
    for path in re.findall(r"(?<![\w/])(?:shared|root|preauth|owner|operator)/[\w/]+\.py\b", text):
        assert (LIB / path).is_file(), path


def test_pages_that_are_named() -> None:
    """Wherever the source names a page of ours, it is there."""
    suffixes = (".py", ".toml", ".conf", ".service", ".socket", "", ".8", ".5", ".NEWS", ".Debian")
    files = [path for room in ("lib", "tests", "packaging", "man", "bin") for path in (CHECKOUT / room).rglob("*")]
    for path in [*files, CHECKOUT / "Makefile"]:
        if path.is_file() and path.suffix in suffixes:
            for name in re.findall(r"\b(?:docs/)?[A-Z]{3,}\.md\b", path.read_text("utf-8", "replace")):
                assert any((folder / name).is_file() for folder in (CHECKOUT, CHECKOUT / "docs")), f"{path}: {name}"


def test_what_programs_say() -> None:
    """Programs name no file of the source, which an installed host need not have: they name manual pages."""
    for path in [*LIB.rglob("*.py"), *(CHECKOUT / "bin").iterdir()]:
        if path.is_file():
            tree = ast.parse(path.read_text())
            statements = [node.value for node in ast.walk(tree) if isinstance(node, ast.Expr)]  # docstrings
            strings = [node for node in ast.walk(tree) if isinstance(node, ast.Constant) and node not in statements]
            named = [node.value for node in strings if re.search(r"packaging/|docs/|[A-Z]\.md\b", str(node.value))]
            assert not named, f"{path}: {named}"


def test_every_page_can_be_found() -> None:
    """The README leads to each page, directly or over another one."""
    reached, rest = set(), {CHECKOUT / "README.md"}
    while rest:
        page = rest.pop()
        reached.add(page)
        for target in re.findall(r"\]\(([^)#]+\.md)", page.read_text()):
            rest |= {(page.parent / target).resolve()} - reached
    assert set(PAGES) - reached <= {CHECKOUT / "CHANGES.md"}


def test_size() -> None:
    """The README says how many lines of Python there are, to a tenth."""
    (said,) = re.findall(r"Python, ([\d,]+) lines", (CHECKOUT / "README.md").read_text())
    modules = [*LIB.rglob("*.py"), *CHECKOUT.glob("bin/*")]
    lines = sum(len(path.read_text().splitlines()) for path in modules if path.is_file())
    assert abs(int(said.replace(",", "")) - lines) <= lines / 10


def test_users_and_hosts() -> None:
    """SCALE.md's table is what follows from the benchmark's figures; `python3 -m tests.bench.scale` writes it."""
    page = (CHECKOUT / "docs/SCALE.md").read_text()
    assert scale.rewritten(page, scale.medians((CHECKOUT / "docs/bench.json").read_text())) == page


def test_lengths() -> None:
    """The README can be read at a glance, and lines of prose in a terminal."""
    assert len((CHECKOUT / "README.md").read_text().splitlines()) <= README_LINES
    for page in PAGES:
        for number, line in enumerate(page.read_text().splitlines(), 1):
            assert len(line) <= LINE_LETTERS or line.startswith(("|", "    ")), f"{page.name}:{number}"

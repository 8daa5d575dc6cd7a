"""popa3d-check(8): the command line, and the findings as lines for people or as JSON.

Runs as: root.
Trusts: the administrator.
"""

import argparse
import json
import os
import textwrap

from ... import version_line
from ...shared.findings import FAULT, NOTE, OK, Finding
from .. import process
from . import account, configuration_file, host

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ...shared.settings import Settings
    from .account import Load

_COLUMNS = 100
_MARKS = {OK: "ok", NOTE: "note", FAULT: "FAULT"}


def main(examine: "Load") -> int:
    """Do what the command line says; the exit status: 0, or 1 if something has to be done. Wrong usage exits 2 by itself.

    examine: loads what looks at a mailbox as its owner (owner.mailbox.examination.examine).
    """
    options = _options()
    if os.getuid() != 0:
        os.write(2, b"popa3d-check: must be started by root\n")
        return 2
    os.environ.clear()
    process.secure_daemon()
    settings, findings = configuration_file.read(options.file)
    if options.user is None:
        findings += host.look(settings)
    else:
        findings += account.look(options.user, settings, examine)
        findings += _host_faults(settings, findings)  # last: it reads the key, and no process of the user's is there any more
    faulty = any(finding.level == FAULT for finding in findings)
    _write(_json(findings, faulty) if options.json else "".join(map(_lines, findings)))
    return 1 if faulty else 0


def _host_faults(settings: "Settings", told: list[Finding]) -> list[Finding]:
    """One finding about those of the host, if there are any but those that are told: they keep all users from their mail."""
    texts = {finding.text for finding in told}
    faults = [finding for finding in host.look(settings) if finding.level == FAULT and finding.text not in texts]
    if not faults:
        return []
    subjects = " and ".join(dict.fromkeys(finding.subject for finding in faults))
    advice = "start popa3d-check without a user, which says what is to be done"
    return [Finding(FAULT, "host", f"the host has faults that concern all users: {subjects}", advice)]


def _json(findings: list[Finding], faulty: bool) -> str:
    rows = [
        {"level": each.level, "subject": each.subject, "text": each.text, "advice": each.advice, **each.numbers}
        for each in findings
    ]
    return json.dumps({"ok": not faulty, "findings": rows}, indent=2) + "\n"


def _lines(finding: Finding) -> str:
    """A finding in lines of at most _COLUMNS, if its words are no longer; what to do stands below what there is."""
    head = f"{_MARKS[finding.level]:<6}{finding.subject:<14}"
    blank = " " * len(head)
    text = textwrap.fill(finding.text, _COLUMNS, initial_indent=head, subsequent_indent=blank, break_on_hyphens=False)
    if finding.advice and finding.level != OK:
        text += "\n" + textwrap.fill(
            f"-> {finding.advice}", _COLUMNS, initial_indent=blank, subsequent_indent=f"{blank}   ", break_on_hyphens=False
        )
    return text + "\n"


def _write(text: str) -> None:
    data = text.encode()
    try:
        while data:
            data = data[os.write(1, data) :]
    except OSError:
        pass  # the reader has gone; the exit status tells the rest


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="popa3d-check",
        description="Find out what is wrong with the host's popa3d, or why a user gets no mail.",
        epilog="The manual: popa3d-check(8)",
    )
    parser.add_argument(
        "-c", dest="file", default="", metavar="file", help="check this configuration instead of /etc/popa3d.toml"
    )
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("-V", "--version", action="version", version=version_line("popa3d-check"))
    parser.add_argument("user", nargs="?", help="an account; without one the host is checked")
    return parser.parse_args()

"""PAM: the service file, the modules that it names, python-pam, and the passwords of the shadow file.

Runs as: root.
Trusts: the administrator's files.
"""

from ...shared.findings import FAULT, NOTE, OK, Finding
from ..pam import service_file
from ..pam.stack import Line, Stack, asked, directories

TYPE_CHECKING = False
if TYPE_CHECKING:
    import pwd
    from collections.abc import Iterator

    from ...shared.settings import Settings

_SHADOW = "/etc/shadow"

_PACKAGE = "install the package python3-pampy, or python-pam with pip for the system's Python"
_LINES = 'write "@include common-auth" and "@include common-account" there (Debian), or other lines for auth and account'
_OTHER = 'Linux-PAM would ask the service "other" instead'
_MODULE = "install the package that has it, or correct the line: to Linux-PAM such a module is one that refuses"
_UNUSED = "install what has it, or remove the line: logins do not need it, but Linux-PAM logs each time"


def look(_settings: "Settings") -> "Iterator[Finding]":
    """The PAM service file, what it includes and names, and python-pam."""
    python_pam = _python_pam()  # also loads libpam, which knows where modules are
    try:
        path = service_file.check()
        yield from _stack(Stack(path), path, directories())
    except service_file.Insufficient as insufficient:
        yield Finding(FAULT, "pam", insufficient.reason, f"{_LINES}; {_OTHER}")
    yield python_pam


def _stack(stack: Stack, path: str, places: list[str]) -> "Iterator[Finding]":
    findings = [
        Finding(FAULT, "pam", fault, "correct the line, see pam.conf(5): until then Linux-PAM refuses logins")
        for fault in stack.faults
    ]
    findings += [Finding(NOTE, "pam", note, _UNUSED) for note in stack.notes]
    for line in stack.missing(places):
        if line.is_quiet and not line.must_pass():
            continue  # the administrator has said that it may be missing
        text = f"{line.place} names {line.module.decode('ascii', 'replace')}, which is not in {' or '.join(places)}"
        findings.append(_missing(line, text))
    if not any(finding.level == FAULT for finding in findings):
        yield Finding(OK, "pam", f"{path} decides about auth and account")
    yield from findings


def _missing(line: Line, text: str) -> Finding:
    if asked(line) and line.control != b"optional":
        return Finding(FAULT, "pam", text, _MODULE)
    return Finding(NOTE, "pam", text, _UNUSED)


def _python_pam() -> Finding:
    try:
        from ..pam.adapter import Pam

        Pam()
    except Exception as error:
        return Finding(FAULT, "python-pam", f"python-pam cannot be used: {error}", _PACKAGE)
    return Finding(OK, "python-pam", "python-pam and libpam can be loaded")


def password(account: "pwd.struct_passwd") -> "Iterator[Finding]":
    """What the shadow file says of the account's password, if it has an entry there, and whether that decides."""
    try:
        with open(_SHADOW, encoding="utf-8", errors="surrogateescape") as file:
            fields = [line.split(":") for line in file.read().splitlines()]
    except OSError:
        return
    for field in [words[1] for words in fields if words[0] == account.pw_name and len(words) > 1]:
        if not field:
            advice = "give the account one (passwd): popa3d refuses empty passwords"
            yield Finding(FAULT, "password", f"it is empty in {_SHADOW}", advice)
        elif field[0] in "!*":
            yield _locked()
        return


def _locked() -> Finding:
    text = f"it is locked in {_SHADOW}: no password fits"
    try:
        stack = Stack(service_file.check())
    except service_file.Insufficient:
        return Finding(NOTE, "password", text, "passwd -u unlocks it, or passwd sets one")  # and PAM is a fault
    askers = " and ".join(stack.askers())
    if not stack.asks_unix():
        return Finding(NOTE, "password", text, "the PAM service file does not ask for that password (pam_unix.so)")
    if askers:
        return Finding(NOTE, "password", text, f"unless {askers} knows another one, the user cannot log in: passwd sets one")
    return Finding(FAULT, "password", text, "passwd -u unlocks it, or passwd sets one: PAM asks for no other (pam_unix.so)")

"""Why a user gets no mail: the account, what PAM says of it, the state directory, and the mailbox.

The mailbox is looked at by a process that becomes its owner for good before it opens anything.

Runs as: root; `_become` ends as the mailbox owner.
Trusts: the administrator; of the owner's process nothing but the form of its report, and that only when it was checked.
"""

import os
import select
import signal
import time

from ...shared import EX_SOFTWARE, findings, log
from ...shared.findings import FAULT, OK, Finding
from ...shared.limits import FINDINGS_OCTETS, RECOVERY_TIMEOUT_S
from .. import accounts, handover, privileges, process, state_directories
from . import service
from .ports import name_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    import pwd
    from collections.abc import Callable, Iterator
    from typing import NoReturn

    from ...shared.settings import Settings

    Examine = Callable[[bytes, bytes, bytes, tuple[str, ...], int, int], list[Finding]]
    Load = Callable[[], Examine]

_REPORT_FD = 3

_REFUSED = "chage -l shows expiry; it may also be nologin or pam_access: PAM logs why, with facility authpriv"
_BROKEN = (
    "a module that the service file names is missing or broken, and nobody can log in: PAM logs which, with facility authpriv"
)
_PAM_ADVICE = dict.fromkeys(("PAM_MODULE_UNKNOWN", "PAM_OPEN_ERR", "PAM_SYMBOL_ERR"), _BROKEN)


def look(name: str, settings: "Settings", load: "Load") -> list[Finding]:
    """All findings about the user that a client would call `name`."""
    account = accounts.claimed(os.fsencode(name), settings)
    if account is None:
        advice = "make the account; names that are e-mail addresses, or in upper case, need the table [login] of popa3d.toml(5)"
        return [Finding(FAULT, "account", f"there is no account {name}", advice)]
    result = list(_account(account))
    if any(finding.level == FAULT for finding in result):
        return result  # popa3d would come no further; and nothing is done as such a user
    path = handover.mailbox(account, settings)
    if not path:
        result.append(
            Finding(FAULT, "mailbox", "the account's home directory is no absolute path", "see home_file in popa3d.toml(5)")
        )
    else:
        result += _mailbox(account, path, settings, load)  # before PAM's modules are in this process
    return [*result, *_state(account, settings), *service.password(account), *_pam(account, settings)]


def _account(account: "pwd.struct_passwd") -> "Iterator[Finding]":
    text = f"{account.pw_name} has uid {account.pw_uid} and group {account.pw_gid}"
    if account.pw_uid == 0:
        yield Finding(FAULT, "account", text, "root has no mail sessions: send its mail to somebody (/etc/aliases)")
    elif account.pw_gid == 0:
        yield Finding(FAULT, "account", text, "give it another primary group (usermod -g): a session would have root's group")
    elif not handover.serves(account):
        yield Finding(
            FAULT, "account", f"{text}; its name can be no file name", "names with a slash or a leading dot are not served"
        )
    else:
        yield Finding(OK, "account", f"{text}; its shell ({account.pw_shell}) does not matter")


def _mailbox(account: "pwd.struct_passwd", path: str, settings: "Settings", load: "Load") -> list[Finding]:
    """What the owner's process reports, in time."""
    reading, writing = os.pipe()
    pid = os.fork()
    if not pid:
        _become(account, path, settings, load, writing)
    os.close(writing)
    data = b""
    deadline = time.monotonic() + RECOVERY_TIMEOUT_S
    while len(data) <= FINDINGS_OCTETS and select.select([reading], [], [], max(0.0, deadline - time.monotonic()))[0]:
        block = os.read(reading, FINDINGS_OCTETS + 1 - len(data))
        if not block:
            break
        data += block
    os.close(reading)
    os.kill(pid, signal.SIGKILL)  # it has nothing more to say
    os.waitpid(pid, 0)
    found = findings.decode(data)
    if found is None:
        advice = "the system log may say more; the user can also have stopped it, or have limits that are too low"
        return [Finding(FAULT, "mailbox", "the process that looks at it as its owner gave no report", advice)]
    for finding in found:
        if finding.numbers.get("pid"):
            finding.text += f" by {findings.printable(name_of(finding.numbers['pid']))} (process {finding.numbers['pid']})"
    return found


def _become(account: "pwd.struct_passwd", path: str, settings: "Settings", load: "Load", writing: int) -> "NoReturn":
    """Be the owner, with nothing of root's: no terminal above all, on which the owner's other processes could type."""
    status = EX_SOFTWARE
    try:
        log.stop()  # the number of its descriptor may be the one that is wanted
        os.dup2(writing, _REPORT_FD)
        process.send_to_null(0, 1)
        process.secure(_REPORT_FD + 1)
        examine = load()
        state = f"{settings.state}/{account.pw_uid}"
        privileges.become(account.pw_uid, account.pw_gid)
        privileges.no_new_privileges()
        names = [process.encode(name) for name in (path, state, account.pw_name)]
        found = examine(names[0], names[1], names[2], settings.locks, settings.max_messages, settings.max_octets)
        data = findings.encode(found)
        while data:
            data = data[os.write(_REPORT_FD, data) :]
        status = 0
    except BaseException as error:
        log.crash(error)
    finally:
        os._exit(status)


def _state(account: "pwd.struct_passwd", settings: "Settings") -> "Iterator[Finding]":
    path = f"{settings.state}/{account.pw_uid}"
    try:
        state_directories.check(settings.state, 0)
        state_directories.check(path, account.pw_uid)
        yield Finding(OK, "state", f"{path} is the user's, and nobody else can write it")
    except FileNotFoundError as error:
        yield Finding(OK, "state", f"{error.filename} does not exist: the next login makes it")
    except OSError as error:
        advice = "it must be its user's, mode 0700, and the one above root's, mode 0711; without it little mail can be deleted"
        yield Finding(FAULT, "state", f"{error.filename}: {error.strerror}", advice)


def _pam(account: "pwd.struct_passwd", settings: "Settings") -> "Iterator[Finding]":
    """PAM's account management, without a password."""
    files = list(service.look(settings))
    if any(finding.level == FAULT for finding in files):
        yield from files
        return
    from ..pam.adapter import Pam

    said = Pam().manage_account(process.encode(account.pw_name))
    if said == "PAM_SUCCESS":
        yield Finding(OK, "pam", "account management lets the account in (without a client's address)")
    else:
        yield Finding(FAULT, "pam", f"account management refuses the account: {said}", _PAM_ADVICE.get(said, _REFUSED))

"""popa3d's start: what the command line asks for, the settings, and then one session, or with -D a listener.

Runs as: root, before anything is read of the client.
Trusts: the administrator.
"""

import posix as os  # as os, without its start-up time
import sys

from .. import version_line
from ..shared import Failure, arguments, log
from ..shared.settings import STDERR
from . import accounts, privileges, process, sandbox, sequence, settings_file

TYPE_CHECKING = False  # the typing module would cost start-up time
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import NoReturn

    from ..shared.settings import Settings
    from .channel import Tls
    from .keeper import Keeper
    from .preauthentication import Preauth
    from .sequence import Admits, Count, Open
    from .starter import Starter

    Reload = Callable[[], Settings]
    Serve = Callable[[Settings, bool, bool, int, Open, Admits], NoReturn]
    Keep = Callable[[Settings, Callable[[str], None], int], Keeper]
    StartStarter = Callable[[int, int], Starter]
    Greeting = Callable[[Settings, str], bytes]
    Listen = Callable[[Settings, str, bool, Reload, Serve, Keep, StartStarter, Greeting], NoReturn]  # listen.listener.run


def main(worker: str, starter: str, preauth: "Preauth", tls: "Tls", listen: "Listen", count: "Count") -> "NoReturn":
    """Do what the command line asks for: serve the client on descriptors 0 and 1, or listen for many. Never returns.

    worker, preauth, tls, count: see sequence.Parts. listen: what listens (-D); see listen.listener.run. starter: the program
    that starts sessions for it (a path).
    """
    options, settings = _prepare(sys.argv[1:])
    parts = sequence.Parts(worker, preauth, tls, count)
    if options.action == arguments.LISTEN:
        _listen(options, settings, parts, starter, listen)
    sequence.serve(parts, settings, options.tls)


def _prepare(words: list[str]) -> "tuple[arguments.Arguments, Settings]":
    """The command line and the settings. What only prints something ends the process here, and so do mistakes."""
    try:
        options = arguments.parse(words)
    except arguments.Misused as misused:
        _fail(misused.reason, f"{arguments.USAGE}\n")
    if options.action in (arguments.PRINT_HELP, arguments.PRINT_VERSION):
        version = f"{version_line('popa3d')}\nsandbox: {sandbox.offered()}"
        text = arguments.HELP if options.action == arguments.PRINT_HELP else version
        os.write(1, f"{text}\n".encode())
        os._exit(0)
    try:
        if os.getuid() != 0:
            raise settings_file.Misconfigured("must be started by root")
        settings = settings_file.read(options.file)
        if options.tls and not settings.certificate:
            raise settings_file.Misconfigured("option -s needs a table [tls] in the configuration")
    except settings_file.Misconfigured as misconfigured:
        _fail(misconfigured.reason)
    if options.action == arguments.CHECK:
        _check(settings)
    _choose_log(options, settings)
    return options, settings


def _choose_log(options: arguments.Arguments, settings: "Settings") -> None:
    """Log where the configuration says. See log_target."""
    log.choose_facility(settings.facility)
    if options.action == arguments.LISTEN and not options.foreground:
        if settings.to == STDERR:
            _fail('log.to is "stderr", but popa3d -D leaves that when it detaches: use -F')
    elif settings.to == STDERR or options.action == arguments.LISTEN:
        from . import log_target  # few sessions need it

        choose = log_target.of_listener if options.action == arguments.LISTEN else log_target.of_program
        log.choose(choose(settings))


def _check(settings: "Settings") -> "NoReturn":
    """-t: what the configuration file says is right; say whether certificate and key are. Exit."""
    if settings.require and sandbox.missing():
        _fail(sandbox.insufficient())
    if settings.certificate:
        from . import keeper

        try:
            warning = keeper.prepare(settings)[2]
        except Failure as failure:
            _fail(failure.reason)
        if warning and not process.is_connection(2):
            os.write(2, f"popa3d: {warning}\n".encode("utf-8", "replace"))
    os._exit(0)


def _fail(reason: str, usage: str = "") -> "NoReturn":
    """Exit with status 1. The reason goes to the log, and with `usage` to standard error, unless that is the client."""
    log.start()
    log.write(log.ERROR, reason)
    if not process.is_connection(2):
        os.write(2, f"popa3d: {reason}\n{usage}".encode("utf-8", "replace"))
    os._exit(1)


def _listen(
    options: arguments.Arguments, settings: "Settings", parts: sequence.Parts, starter_program: str, listen: "Listen"
) -> "NoReturn":
    """Be the daemon. What takes time at a session's start is loaded here once, and forked."""
    from ..shared import client_note, proxy_reader  # noqa: F401 - for sessions
    from . import authentication, handover, host_check, keeper, locker, proxied, reports, starter  # noqa: F401 - the same

    process.secure_daemon()
    if sandbox.missing():
        if settings.require:
            _fail(sandbox.insufficient())
        log.write(log.WARNING, f"This host has no {sandbox.missing()}: processes are held back by their users alone")
    privileges.adopt_orphans()  # the owners' programs, if the starter ends before them
    if options.file and not options.file.startswith("/"):
        options.file = f"{os.getcwd()}/{options.file}"  # a reload comes when the daemon is in another directory
    if host_check.spool_is_read_only(settings):
        log.write(log.WARNING, f"{settings.spool} is on a file system that can only be read: no message can be deleted")
    os.chdir("/")
    accounts.warm()
    parts.preauth()
    try:
        nobody = accounts.nobody()
    except accounts.Unsafe as unsafe:
        _fail(unsafe.reason)
    pam = authentication.load_pam()
    if pam is not None:
        pam.warm()

    def reload() -> "Settings":
        return settings_file.read(options.file)

    def keep(settings: "Settings", warn: "Callable[[str], None]", spare: int) -> "Keeper":
        return keeper.start(settings, parts.tls, warn, spare)

    def serve(settings: "Settings", keeps: bool, starts: bool, waits: int, open_: "Open", admits: "Admits") -> "NoReturn":
        sequence.serve(parts, settings, door=sequence.Door(nobody, pam, keeps, starts, waits, open_, admits))

    def start_starter(spare: int, logins: int) -> "Starter":
        return starter.start(starter_program, spare, logins)

    listen(settings, options.families, options.foreground, reload, serve, keep, start_starter, sequence.greeting)

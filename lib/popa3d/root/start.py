"""popa3d's start: what the command line asks for, the settings, and then one session, or with -D a listener.

Runs as: root, before anything is read of the client.
Trusts: the administrator.
"""

import posix as os  # as os, without its start-up time
import sys

from .. import version_line
from ..shared import arguments, log
from . import accounts, process, sequence, settings_file
from .peer import Peer

TYPE_CHECKING = False  # the typing module would cost start-up time
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import NoReturn

    from ..shared.settings import Settings
    from .sequence import Count, Preauth

    Reload = Callable[[], Settings]
    Serve = Callable[[Settings, str], NoReturn]
    Listen = Callable[[Settings, str, bool, Reload, Serve], NoReturn]  # listen.listener.run


def main(worker: str, preauth: "Preauth", listen: "Listen", count: "Count") -> "NoReturn":
    """Do what the command line asks for: serve the client on descriptors 0 and 1, or listen for many. Never returns.

    worker: the program (a path) that this process becomes when the client has logged in. preauth, count: see
    sequence.serve. listen: what listens (-D); see listen.listener.run.
    """
    options, settings = _prepare(sys.argv[1:])
    if options.action == arguments.LISTEN:
        _listen(options, settings, worker, preauth, listen)
    sequence.serve(worker, preauth, settings, count)


def _prepare(words: list[str]) -> "tuple[arguments.Arguments, Settings]":
    """The command line and the settings. What only prints something ends the process here, and so do mistakes."""
    try:
        options = arguments.parse(words)
    except arguments.Misused as misused:
        _fail(misused.reason, f"{arguments.USAGE}\n")
    if options.action in (arguments.PRINT_HELP, arguments.PRINT_VERSION):
        text = arguments.HELP if options.action == arguments.PRINT_HELP else version_line("popa3d")
        os.write(1, f"{text}\n".encode())
        os._exit(0)
    try:
        if os.getuid() != 0:
            raise settings_file.Misconfigured("must be started by root")
        settings = settings_file.read(options.file)
    except settings_file.Misconfigured as misconfigured:
        _fail(misconfigured.reason)
    if options.action == arguments.CHECK:
        os._exit(0)
    return options, settings


def _fail(reason: str, usage: str = "") -> "NoReturn":
    """Exit with status 1. The reason goes to the log, and with `usage` to standard error, unless that is the client."""
    log.start()
    log.write(log.ERROR, reason)
    if not process.is_connection(2):
        os.write(2, f"popa3d: {reason}\n{usage}".encode("utf-8", "replace"))
    os._exit(1)


def _listen(options: arguments.Arguments, settings: "Settings", worker: str, preauth: "Preauth", listen: "Listen") -> "NoReturn":
    """Be the daemon. What takes time at a session's start is loaded here once, and forked."""
    from . import authentication, host_check

    process.secure_daemon()
    if options.file and not options.file.startswith("/"):
        options.file = f"{os.getcwd()}/{options.file}"  # a reload comes when the daemon is in another directory
    if host_check.spool_is_read_only(settings):
        log.write(log.WARNING, f"{settings.spool} is on a file system that can only be read: no message can be deleted")
    accounts.warm()
    preauth()
    authentication.load_pam()

    def reload() -> "Settings":
        return settings_file.read(options.file)

    def serve(settings: "Settings", address: str) -> "NoReturn":
        sequence.serve(worker, preauth, settings, None, Peer.accepted(address))

    listen(settings, options.families, options.foreground, reload, serve)

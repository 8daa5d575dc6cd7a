"""All tests run on one private host (tests/host.py); each starts with an empty spool, an empty log and the real PAM stack.

Unit tests and lint use nothing of it, and run as any user.
"""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings

from tests import host as private_host
from tests import parallel

_WITHOUT_HOST = pytest.StashKey[str]()  # why there is no private host; empty if there is one


def pytest_addoption(parser: pytest.Parser) -> None:
    """make check has one more option."""
    parser.addoption("--without-root", action="store_true", help="leave out the tests that need root and the private host")


def pytest_configure(config: pytest.Config) -> None:
    """Enter the private host before anything is collected, if that can be."""
    os.umask(0o022)  # tests that want another one say so
    # No clock decides, and each run is the same: a failure is there again, or is about something else.
    settings.register_profile("suite", deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck))
    settings.load_profile("suite")
    config.stash[_WITHOUT_HOST] = ""
    if config.getoption("tx", None):
        config.option.tx = [parallel.worker() for _ in config.option.tx]
    if os.getuid() != 0:
        config.stash[_WITHOUT_HOST] = "they set user ids, mount and chroot for real: please run them as root"
        return
    try:
        private_host.enter()
    except OSError as error:
        config.stash[_WITHOUT_HOST] = f"there are no private namespaces here ({error}): in a container, allow CAP_SYS_ADMIN"


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out the tests that need the private host, if that was asked for; without it, run them or nothing at all.

    Those of the package come first. They take longest, and share machines that each worker which runs one has to install.
    """
    items.sort(key=lambda item: not item.nodeid.startswith("tests/package/"))
    on_host = [item for item in items if "host" in getattr(item, "fixturenames", ()) or item.get_closest_marker("root")]
    if config.getoption("without_root"):
        config.hook.pytest_deselected(items=on_host)
        items[:] = [item for item in items if item not in on_host]
    elif config.stash[_WITHOUT_HOST] and on_host:
        raise pytest.UsageError(f"{len(on_host)} tests cannot run, {on_host[0].nodeid} first: {config.stash[_WITHOUT_HOST]}")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Say what was left out: workers do not tell what they deselect."""
    if config.getoption("without_root"):
        terminalreporter.write_line("The tests that need root were left out; make test runs them.")


@pytest.fixture
def host() -> Iterator[private_host.Host]:
    """The private host, as it was made."""
    here = private_host.enter()
    here.reset()
    yield here
    here.reset()

"""All tests run on one private host (tests/host.py); each starts with an empty spool, an empty log and the real PAM stack."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings

from tests import host as private_host


def pytest_configure(config: pytest.Config) -> None:
    """Enter the private host before anything is collected, or say why that cannot be."""
    os.umask(0o022)  # tests that want another one say so
    # No clock decides, and each run is the same: a failure is there again, or is about something else.
    settings.register_profile("suite", deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck))
    settings.load_profile("suite")
    if os.getuid() != 0:
        pytest.exit("the tests need root: they set user ids, mount and chroot for real (try: make test)", 1)
    try:
        private_host.enter()
    except OSError as error:
        pytest.exit(f"no private namespaces here ({error}); in a container, allow CAP_SYS_ADMIN", 1)


@pytest.fixture
def host() -> Iterator[private_host.Host]:
    """The private host, as it was made."""
    here = private_host.enter()
    here.reset()
    yield here
    here.reset()

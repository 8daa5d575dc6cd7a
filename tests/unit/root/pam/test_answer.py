"""What each of PAM's codes means, as the answer to authentication and to account management."""

from __future__ import annotations

import pytest

from popa3d.root.pam import answer
from popa3d.root.pam.answer import ACCOUNT_EXPIRED, CLOSED, FAILED, PASSED, PASSWORD_EXPIRED, UNAVAILABLE, UNDECIDED

# Linux-PAM's numbers.
SUCCESS, SYSTEM_ERR, NEW_AUTHTOK_REQD, ACCT_EXPIRED, AUTHTOK_EXPIRED = 0, 4, 12, 13, 27
FAULTS = {1, 2, 3, 5, 9, 26, 28}  # OPEN, SYMBOL, SERVICE, BUF, AUTHINFO_UNAVAIL, ABORT, MODULE_UNKNOWN
CODES = [*range(-1, 34), 2**31 - 1]


@pytest.mark.parametrize("code", CODES)
@pytest.mark.parametrize("given", [True, False])
def test_authentication(code: int, given: bool) -> None:
    """Only faults of the host are no plain failures; what a module returns that was given the password is not told."""
    expected = UNAVAILABLE if code == SUCCESS else FAILED
    if code in FAULTS:
        expected = UNDECIDED if given else UNAVAILABLE
    assert answer.judge([code], given) == expected


@pytest.mark.parametrize("code", CODES)
@pytest.mark.parametrize("given", [True, False])
def test_account_management(code: int, given: bool) -> None:
    """Once the password was right, the client is told whether it, the account, something else or the host is in the way."""
    special = {
        SUCCESS: PASSED,
        NEW_AUTHTOK_REQD: PASSWORD_EXPIRED,
        AUTHTOK_EXPIRED: PASSWORD_EXPIRED,
        ACCT_EXPIRED: ACCOUNT_EXPIRED,
    }
    expected = UNAVAILABLE if code in FAULTS else special.get(code, CLOSED)
    assert answer.judge([SUCCESS, code], given) == expected


@pytest.mark.parametrize("second", [SUCCESS, ACCT_EXPIRED, NEW_AUTHTOK_REQD, 28])
def test_a_failure_stays_one(second: int) -> None:
    """Where authentication has failed, nothing that account management says counts."""
    assert answer.judge([7, second], given=True) == FAILED
    assert answer.judge([SYSTEM_ERR, second], given=False) == FAILED
    assert answer.judge([28, second], given=True) == UNDECIDED


def test_nothing_asked() -> None:
    """Without any code nobody is let in."""
    assert answer.judge([], given=False) == UNAVAILABLE
    assert answer.judge([], given=True) == UNDECIDED


def test_names() -> None:
    """Codes have Linux-PAM's names, and others their numbers."""
    known = {0: "SUCCESS", 6: "PERM_DENIED", 9: "AUTHINFO_UNAVAIL", 13: "ACCT_EXPIRED", 19: "CONV_ERR", 24: "TRY_AGAIN"}
    known |= {26: "ABORT", 27: "AUTHTOK_EXPIRED", 28: "MODULE_UNKNOWN", 31: "INCOMPLETE"}
    assert {code: answer.name(code) for code in known} == {code: f"PAM_{text}" for code, text in known.items()}
    assert [answer.name(code) for code in (-1, 32)] == ["code -1", "code 32"]

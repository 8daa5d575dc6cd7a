"""What PAM's answer means for a login: a verdict of a small set, from the codes that PAM's functions have returned.

PAM says why it refuses, and an application may not pass all of it on. Until authentication has passed, a reply must not depend
on whether the password was right. Linux-PAM returns the first failure of a stack: where a module that knows the password comes
before one that is broken, only the right password gets as far as the second one's code. So the host's faults are told to a
client only if no module had the password, or if the password was right.

Runs as: root.
Trusts: PAM's codes. Whatever they do not clearly say is a refusal.
"""

PASSED, FAILED, UNAVAILABLE, UNDECIDED, PASSWORD_EXPIRED, ACCOUNT_EXPIRED, CLOSED = range(7)

# Linux-PAM's codes, in the order of their numbers (security/_pam_types.h).
_CODES = (
    *("SUCCESS", "OPEN_ERR", "SYMBOL_ERR", "SERVICE_ERR", "SYSTEM_ERR", "BUF_ERR", "PERM_DENIED", "AUTH_ERR"),
    *("CRED_INSUFFICIENT", "AUTHINFO_UNAVAIL", "USER_UNKNOWN", "MAXTRIES", "NEW_AUTHTOK_REQD", "ACCT_EXPIRED", "SESSION_ERR"),
    *("CRED_UNAVAIL", "CRED_EXPIRED", "CRED_ERR", "NO_MODULE_DATA", "CONV_ERR", "AUTHTOK_ERR", "AUTHTOK_RECOVERY_ERR"),
    *("AUTHTOK_LOCK_BUSY", "AUTHTOK_DISABLE_AGING", "TRY_AGAIN", "IGNORE", "ABORT", "AUTHTOK_EXPIRED", "MODULE_UNKNOWN"),
    *("BAD_ITEM", "CONV_AGAIN", "INCOMPLETE"),
)

# The host's faults: a module is missing or broken, or cannot reach what it asks. SYSTEM_ERR is none of them, since pam_exec
# returns it whenever its program says no.
_FAULTS = {"OPEN_ERR", "SYMBOL_ERR", "SERVICE_ERR", "BUF_ERR", "AUTHINFO_UNAVAIL", "ABORT", "MODULE_UNKNOWN"}

# What account management may say. All else is CLOSED: nologin, pam_access, pam_time, pam_faillock and so on.
_ACCOUNT = {
    "SUCCESS": PASSED,
    "NEW_AUTHTOK_REQD": PASSWORD_EXPIRED,
    "AUTHTOK_EXPIRED": PASSWORD_EXPIRED,
    "ACCT_EXPIRED": ACCOUNT_EXPIRED,
    **dict.fromkeys(_FAULTS, UNAVAILABLE),
}


class Answer:
    """PAM's answer.

    verdict: PASSED; FAILED (the credentials are refused); UNAVAILABLE (PAM cannot decide, which the client may know) or
    UNDECIDED (which it may not); PASSWORD_EXPIRED, ACCOUNT_EXPIRED or CLOSED (the password was right).
    user: PAM_USER if authentication has passed, else None. reason: for the log; nothing of the client's is in it.
    """

    __slots__ = ("reason", "user", "verdict")

    def __init__(self, verdict: int, user: bytes | None = None, reason: str = "") -> None:
        self.verdict = verdict
        self.user = user
        self.reason = reason


def name(code: int) -> str:
    """A code as Linux-PAM's documents name it."""
    return f"PAM_{_CODES[code]}" if 0 <= code < len(_CODES) else f"code {code}"


def judge(codes: list[int], given: bool) -> int:
    """The verdict on the codes of authentication and then of account management, each if it was asked for.

    given: whether a module was given the password.
    """
    words = [name(code).removeprefix("PAM_") for code in codes]
    if not words or words[0] in _FAULTS:
        return UNDECIDED if given else UNAVAILABLE
    if words[0] != "SUCCESS":
        return FAILED
    return _ACCOUNT.get(words[1], CLOSED) if len(words) > 1 else UNAVAILABLE

"""Mutations of what root believes of PAM, and of what it tells of that."""

from __future__ import annotations

from tests.mutants.mutation import wrong

ADAPTER = "tests/unit/root/pam/test_adapter.py"
ANSWER = "tests/unit/root/pam/test_answer.py"
AUTHENTICATION = "tests/unit/root/test_authentication.py"
REFUSALS = "tests/root/test_refusals.py"

# fmt: off
MUTATIONS = (
    wrong("root/pam/adapter.py", "    if not set(styles) <= {_PROMPT_ECHO_OFF, _ERROR_MSG, _TEXT_INFO}:", "    if False:",
          "a question in the clear is answered", "tests/unit/root/pam/test_adapter.py::test_prompts_without_answer"),
    wrong("root/pam/adapter.py", 'fault = "" if passed is True or judge(codes, self._given) != PASSED else', 'fault = "" if True else',
          "python-pam's no is a login", f"{ADAPTER}::test_python_pam_says_no"),
    wrong("root/pam/adapter.py", "            del codes[1:]", "            pass", "an exception of python-pam's is a login",
          "tests/root/test_pam.py::test_odd_python_pam"),
    wrong("root/pam/adapter.py", 'fault = f"python-pam: {type(error).__name__}"', 'fault = f"python-pam: {error}"',
          "the password is in the log", "tests/root/test_pam.py::test_odd_python_pam"),
    wrong("root/pam/adapter.py", "        self._given = self._given or _PROMPT_ECHO_OFF in styles\n", "",
          "a guesser learns that the password was right", f"{ADAPTER}::test_who_has_the_password",
          f"{REFUSALS}::test_fault_behind_the_password"),
    wrong("root/pam/adapter.py", "self._given or _PROMPT_ECHO_OFF in styles", "True",
          "a message of a module hides that PAM is broken", f"{ADAPTER}::test_who_has_the_password"),
    wrong("root/pam/adapter.py", "self._user() if codes[:1] == [_SUCCESS] else None", "self._user()",
          "PAM's user counts before authentication has passed", f"{ADAPTER}::test_pam_says_no"),
    wrong("root/pam/adapter.py", 'return returned("pam_start", pam_start(service, user, ctypes.byref(conv), handle))',
          "return pam_start(service, user, ctypes.byref(conv), handle)", "nobody learns why PAM does not start",
          f"{ADAPTER}::test_pam_says_no"),
    wrong("root/pam/answer.py", "return UNDECIDED if given else UNAVAILABLE", "return UNAVAILABLE",
          "a guesser learns that the password was right", f"{ANSWER}::test_authentication",
          f"{REFUSALS}::test_no_shadow_entry"),
    wrong("root/pam/answer.py", "return UNDECIDED if given else UNAVAILABLE", "return UNDECIDED",
          "clients ask for another password while PAM is broken", f"{REFUSALS}::test_fault_before_the_password"),
    wrong("root/pam/answer.py", '    if words[0] != "SUCCESS":\n        return FAILED\n', "",
          "whoever has a wrong password logs in, if account management passes", f"{ANSWER}::test_a_failure_stays_one"),
    wrong("root/pam/answer.py", "if len(words) > 1 else UNAVAILABLE", "if len(words) > 1 else PASSED",
          "account management is left out", "tests/root/test_pam.py::test_account_management_is_not_left_out"),
    wrong("root/pam/answer.py", "_ACCOUNT.get(words[1], CLOSED)", "_ACCOUNT.get(words[1], PASSED)",
          "accounts that are closed log in", f"{REFUSALS}::test_closed_account"),
    wrong("root/pam/answer.py", '"SERVICE_ERR", "BUF_ERR", "AUTHINFO_UNAVAIL", "ABORT"',
          '"SERVICE_ERR", "SYSTEM_ERR", "BUF_ERR", "AUTHINFO_UNAVAIL", "ABORT"',
          "a program's no for pam_exec is no failed login to fail2ban", f"{REFUSALS}::test_program_that_says_no"),
    wrong("root/pam/answer.py", "    **dict.fromkeys(_FAULTS, UNAVAILABLE),\n", "",
          "a fault in account management is told as a closed account", f"{REFUSALS}::test_fault_in_account_management"),
    wrong("root/pam/answer.py", '    "AUTHTOK_EXPIRED": PASSWORD_EXPIRED,\n', "",
          "who should change the password is sent to the administrator", f"{REFUSALS}::test_expired_password"),
    wrong("root/authentication.py", "owner is None or owner.pw_uid == 0", "owner is None", "root logs in",
          "tests/root/test_login.py::test_root_even_if_pam_says_yes"),
    wrong("root/authentication.py", "said.user is not None and (owner is None or owner.pw_uid == 0)",
          "owner is not None and owner.pw_uid == 0", "a name of PAM's that is no account is a fault of PAM's",
          f"{AUTHENTICATION}::test_root_is_told_nothing_more"),
    wrong("root/authentication.py", "        raise _refusal(said, owner.pw_name, peer)\n", "        raise _refusal(said, name, peer)\n",
          "the log blames the account that was claimed", f"{AUTHENTICATION}::test_refused_after_the_right_password"),
    wrong("root/authentication.py", "    if said.verdict != answer.PASSED:\n", "    if False:\n",
          "accounts that have expired log in", f"{REFUSALS}::test_expired_account"),
    wrong("root/authentication.py", "replies.UNAVAILABLE if said.verdict == answer.UNAVAILABLE else replies.LOGIN_FAILED",
          "replies.UNAVAILABLE", "a guesser learns that the password was right", f"{AUTHENTICATION}::test_undecided",
          f"{REFUSALS}::test_fault_behind_the_password"),
    wrong("root/authentication.py", "{reason or said.reason}", "{reason}", "nobody learns why an account is closed",
          f"{REFUSALS}::test_closed_account"),
    wrong("root/authentication.py", '"Authentication is impossible without PAM", replies.MISCONFIGURED',
          '"Authentication is impossible without PAM", replies.LOGIN_FAILED',
          "clients ask for another password on a host without PAM", f"{AUTHENTICATION}::test_without_pam"),
    wrong("root/authentication.py", "raise End(insufficient.reason, replies.MISCONFIGURED)",
          "raise End(insufficient.reason, replies.UNAVAILABLE)", "clients come back to a host without a PAM service file",
          f"{AUTHENTICATION}::test_without_pam"),
    wrong("root/sequence.py", "ending.finish(End(failure.reason, replies.MISCONFIGURED))", "ending.finish(End(failure.reason))",
          "the client of a session that cannot start gets no reply", "tests/root/test_host_faults.py::test_no_worker"),
)

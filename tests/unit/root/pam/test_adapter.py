"""The adapter around a python-pam that is made up: what it asks for, and what it believes."""

from __future__ import annotations

import ctypes
import sys
from types import SimpleNamespace
from typing import Any

import pytest

from popa3d.root.pam import adapter
from popa3d.root.pam.answer import ACCOUNT_EXPIRED, FAILED, PASSED, PASSWORD_EXPIRED, UNAVAILABLE, UNDECIDED

SUCCESS, BUF_ERR, AUTH_ERR, NEW_AUTHTOK_REQD, ACCT_EXPIRED, CONV_ERR, MODULE_UNKNOWN = 0, 5, 7, 12, 13, 19, 28
HIDDEN, VISIBLE, ERROR, INFORMATION = 1, 2, 3, 4
FLAGS = 0x8001  # PAM_SILENT, PAM_DISALLOW_NULL_AUTHTOK
RHOST, TTY = 4, 3


class Handle(ctypes.Structure):
    """pam_handle_t."""

    _fields_ = (("handle", ctypes.c_void_p),)


class Message(ctypes.Structure):
    """struct pam_message."""

    _fields_ = (("msg_style", ctypes.c_int), ("msg", ctypes.c_char_p))


class Response(ctypes.Structure):
    """struct pam_response."""

    _fields_ = (("resp", ctypes.c_char_p), ("resp_retcode", ctypes.c_int))


CONVERSATION = ctypes.CFUNCTYPE(
    ctypes.c_int,
    ctypes.c_int,
    ctypes.POINTER(ctypes.POINTER(Message)),
    ctypes.POINTER(ctypes.POINTER(Response)),
    ctypes.c_void_p,
)


class Conversation(ctypes.Structure):
    """struct pam_conv."""

    _fields_ = (("conv", CONVERSATION), ("appdata_ptr", ctypes.c_void_p))


class Authenticator:
    """python-pam's, without PAM: it calls its own functions as python-pam does, and notes what they are given."""

    def __init__(self) -> None:
        self.handle = Handle()
        self.items: dict[int, bytes] = {}
        self.flags: list[int] = []
        self.prompts: list[int] | None = [HIDDEN]  # None: it asks for nothing
        self.answers: list[bytes | None] = []
        self.results = dict.fromkeys(("start", "set_item", "conversation", "authenticate", "acct_mgmt"), SUCCESS)
        self.says: object = True
        self.ended = False
        self.pam_start = self._start
        self.pam_set_item = self._set_item
        self.pam_authenticate = self._authenticate
        self.pam_acct_mgmt = self._acct_mgmt

    def _start(self, service: str, user: bytes, conversation: Any, _handle: Any) -> int:
        assert (service, user) == ("popa3d", b"alice")
        self.conversation = conversation._obj
        return self.results["start"]

    def _set_item(self, _handle: Any, item: int, value: bytes) -> int:
        self.items[item] = value
        return self.results["set_item"]

    def _authenticate(self, _handle: Any, flags: int) -> int:
        self.flags.append(flags)
        if self.prompts is None:
            return self.results["authenticate"]
        messages = (ctypes.POINTER(Message) * len(self.prompts))(
            *(ctypes.pointer(Message(style, b"?")) for style in self.prompts)
        )
        responses = ctypes.POINTER(Response)()
        result = self.conversation.conv(len(self.prompts), messages, ctypes.byref(responses), None)
        if result == SUCCESS:
            self.answers = [responses[i].resp for i in range(len(self.prompts))]
        self.results["conversation"] = result
        return self.results["authenticate"]

    def _acct_mgmt(self, _handle: Any, flags: int) -> int:
        self.flags.append(flags)
        return self.results["acct_mgmt"]

    def authenticate(self, user: bytes, password: bytes, service: str, call_end: bool, resetcreds: bool) -> object:
        """As python-pam's: start, authenticate, account; True if all was right."""
        assert (password, call_end, resetcreds) == (b"sesame-1", False, False)
        if self.pam_start(service, user, None, self.handle) == SUCCESS and self.pam_authenticate(self.handle, 0) == SUCCESS:
            self.pam_acct_mgmt(self.handle, 0)
        if isinstance(self.says, Exception):
            raise self.says
        return self.says

    def end(self) -> None:
        """As python-pam's."""
        self.ended = True


@pytest.fixture
def pam(monkeypatch: pytest.MonkeyPatch) -> adapter.Pam:
    """The adapter, with that authenticator, and PAM_USER as it was given."""
    inner = SimpleNamespace(
        PamAuthenticator=Authenticator,
        PamHandle=Handle,
        PamConv=Conversation,
        PamResponse=Response,
        conv_func=CONVERSATION,
    )
    monkeypatch.setattr(adapter, "_python_pam", lambda: (ctypes, inner))
    monkeypatch.setattr(adapter, "PAM_LIBRARIES", {"pam": None})  # the program itself: PAM need not be there
    libraries = SimpleNamespace(pam_get_item=SimpleNamespace(), calloc=None, free=None)
    real = ctypes.CDLL(None)
    libraries.calloc, libraries.free = real.calloc, real.free
    monkeypatch.setattr(ctypes, "CDLL", lambda _: libraries)
    result = adapter.Pam()
    result._get_item = get_item
    return result


def get_item(_handle: Any, item: int, reference: Any) -> int:
    """pam_get_item: a module has mapped the user's name."""
    assert item == 2
    reference._obj.value = b"mapped"
    return SUCCESS


def authenticator(pam: adapter.Pam) -> Authenticator:
    """The one below the adapter."""
    inner = pam._authenticator
    assert isinstance(inner, Authenticator)
    return inner


def asked(pam: adapter.Pam) -> tuple[int, bytes | None, str]:
    """The answer about alice: verdict, user, reason."""
    said = pam.authenticate(b"alice", b"sesame-1", b"192.0.2.1")
    return said.verdict, said.user, said.reason


def test_login(pam: adapter.Pam) -> None:
    """PAM hears host, terminal, flags and password; the name is what it leaves; the handle is ended."""
    assert asked(pam)[:2] == (PASSED, b"mapped")
    inner = authenticator(pam)
    assert inner.items == {TTY: b"popa3d", RHOST: b"192.0.2.1"}
    assert inner.flags == [FLAGS, FLAGS]
    assert inner.answers == [b"sesame-1"]
    assert inner.ended


def test_without_address(pam: adapter.Pam) -> None:
    """Without an address PAM_RHOST is not set, not even to an empty text."""
    assert pam.authenticate(b"alice", b"sesame-1", b"").verdict == PASSED
    assert authenticator(pam).items == {TTY: b"popa3d"}


@pytest.mark.parametrize("says", [False, 1, None, "yes"])
def test_python_pam_says_no(pam: adapter.Pam, says: object) -> None:
    """Only True is a login; with anything else python-pam is broken, and that is the host's fault."""
    authenticator(pam).says = says
    assert asked(pam) == (UNAVAILABLE, b"mapped", "python-pam contradicts PAM")


@pytest.mark.parametrize(("code", "verdict"), [(SUCCESS, UNAVAILABLE), (AUTH_ERR, FAILED), (MODULE_UNKNOWN, UNDECIDED)])
def test_python_pam_raises(pam: adapter.Pam, code: int, verdict: int) -> None:
    """An exception is the host's fault too, unless PAM has refused before. Only its type is told, as its text has anything."""
    inner = authenticator(pam)
    inner.says = KeyError("sesame-1")
    inner.results["authenticate"] = code
    assert asked(pam) == (verdict, None, "python-pam: KeyError")


@pytest.mark.parametrize("says", [True, False])
@pytest.mark.parametrize(
    ("call", "code", "verdict", "user", "reason"),
    [
        ("authenticate", AUTH_ERR, FAILED, None, "pam_authenticate returned PAM_AUTH_ERR"),
        ("authenticate", ACCT_EXPIRED, FAILED, None, "pam_authenticate returned PAM_ACCT_EXPIRED"),
        ("acct_mgmt", NEW_AUTHTOK_REQD, PASSWORD_EXPIRED, b"mapped", "pam_acct_mgmt returned PAM_NEW_AUTHTOK_REQD"),
        ("acct_mgmt", ACCT_EXPIRED, ACCOUNT_EXPIRED, b"mapped", "pam_acct_mgmt returned PAM_ACCT_EXPIRED"),
        ("acct_mgmt", MODULE_UNKNOWN, UNAVAILABLE, b"mapped", "pam_acct_mgmt returned PAM_MODULE_UNKNOWN"),
        ("set_item", BUF_ERR, UNAVAILABLE, None, "pam_set_item returned PAM_BUF_ERR"),
        ("start", BUF_ERR, UNAVAILABLE, None, "pam_start returned PAM_BUF_ERR"),
    ],
)
def test_pam_says_no(pam: adapter.Pam, call: str, code: int, verdict: int, user: bytes | None, reason: str, says: bool) -> None:
    """What PAM's functions return counts, whatever python-pam makes of it."""
    inner = authenticator(pam)
    inner.says = says
    inner.results[call] = code
    assert asked(pam) == (verdict, user, reason)


@pytest.mark.parametrize(
    ("prompts", "verdict"),
    [(None, UNAVAILABLE), ([INFORMATION], UNAVAILABLE), ([VISIBLE, HIDDEN], UNAVAILABLE), ([HIDDEN], UNDECIDED)]
    + [([ERROR, HIDDEN], UNDECIDED)],
)
def test_who_has_the_password(pam: adapter.Pam, prompts: list[int] | None, verdict: int) -> None:
    """A fault may be told to the client unless a module has been given the password."""
    inner = authenticator(pam)
    inner.prompts = prompts
    inner.results["authenticate"] = MODULE_UNKNOWN
    assert asked(pam) == (verdict, None, "pam_authenticate returned PAM_MODULE_UNKNOWN")


def test_account_management_left_out(pam: adapter.Pam, monkeypatch: pytest.MonkeyPatch) -> None:
    """Python-pam's True is no login if it has asked PAM for nothing, or not for account management."""

    def authenticate(self: Authenticator, *_: object, **__: object) -> bool:
        return self.pam_start("popa3d", b"alice", None, None) == self.pam_authenticate(None, 0)

    with monkeypatch.context() as patch:
        patch.setattr(Authenticator, "authenticate", authenticate)
        assert asked(pam)[0] == UNAVAILABLE
    monkeypatch.setattr(Authenticator, "authenticate", lambda self, *_, **__: True)
    again = adapter.Pam()
    assert asked(again) == (UNAVAILABLE, None, "python-pam did not ask")


def test_user_that_is_lost(pam: adapter.Pam) -> None:
    """Where PAM has no user in the end, the name is empty: no account has it."""
    pam._get_item = lambda *_: BUF_ERR
    assert asked(pam)[1] == b""


@pytest.mark.parametrize(
    ("prompts", "answers"),
    [
        ([HIDDEN, HIDDEN], [b"sesame-1", b"sesame-1"]),
        ([INFORMATION, HIDDEN, ERROR], [None, b"sesame-1", None]),
        ([INFORMATION], [None]),
    ],
)
def test_prompts(pam: adapter.Pam, prompts: list[int], answers: list[bytes | None]) -> None:
    """Each hidden prompt gets the password, and a message nothing."""
    authenticator(pam).prompts = prompts
    pam.authenticate(b"alice", b"sesame-1", b"")
    assert authenticator(pam).answers == answers


@pytest.mark.parametrize("prompts", [[VISIBLE], [HIDDEN, VISIBLE], [], [HIDDEN] * 33])
def test_prompts_without_answer(pam: adapter.Pam, prompts: list[int]) -> None:
    """A question that is asked in the clear, none, and too many are errors: the password is not for them."""
    authenticator(pam).prompts = prompts
    pam.authenticate(b"alice", b"sesame-1", b"")
    assert authenticator(pam).results["conversation"] == CONV_ERR
    assert authenticator(pam).answers == []


@pytest.mark.parametrize(
    ("user", "password", "address"),
    [(b"", b"x", b""), (b"x", b"", b""), (b"a\0", b"x", b""), (b"a", b"x\0", b""), (b"a", b"x", b"\0")],
)
def test_not_asked(pam: adapter.Pam, user: bytes, password: bytes, address: bytes) -> None:
    """Nothing that is empty or ends early for C reaches PAM."""
    assert pam.authenticate(user, password, address).verdict == FAILED
    assert authenticator(pam).flags == [] and not authenticator(pam).ended


def test_stand_in() -> None:
    """A stand-in has its names, gets others from the real module, and hides nothing that the import system looks for."""
    module = adapter._stand_in("colorsys", {"mine": 7})
    sys.modules.pop("colorsys", None)
    assert module.mine == 7
    assert module.rgb_to_hsv(0, 0, 0) == (0.0, 0.0, 0)
    with pytest.raises(AttributeError):
        module.__path__  # noqa: B018
    with pytest.raises(AttributeError):
        module.nothing_of_the_kind  # noqa: B018

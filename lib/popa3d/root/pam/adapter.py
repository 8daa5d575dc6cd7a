"""python-pam, made fit for a root process: the only import of `pam`, and the only module that knows its inside.

python-pam (2.0.2 and 2.1.0) cannot set PAM_RHOST, pass flags or read the user back, runs ldconfig or gcc to find libpam, and
reports success for prompts that it has no answer to. It calls its pam_* functions as attributes of the authenticator, so
they are wrapped there.

Runs as: root.
Trusts: PAM and its modules. Not the user name, not the password; an exception or an odd value is never a login.
"""

import posix
import sys
from _struct import calcsize

from ...shared.limits import NO_ACCOUNT, PAM_LIBRARIES, PAM_SERVICE, PAM_TTY, PYTHON_DIRECTORIES
from .answer import FAILED, PASSED, Answer, judge, name

TYPE_CHECKING = False  # the typing module would cost start-up time
if TYPE_CHECKING:
    from typing import Any

_SUCCESS, _CONV_ERR = 0, 19
_USER, _TTY, _RHOST = 2, 3, 4
_PROMPT_ECHO_OFF, _ERROR_MSG, _TEXT_INFO = 1, 3, 4
_SILENT, _DISALLOW_NULL_AUTHTOK = 0x8000, 1
_MESSAGES = 32  # PAM_MAX_NUM_MSG


class _Anything:
    """Stands for names that are only used in annotations, which nobody reads here."""

    def __class_getitem__(cls, _item: object) -> "type[_Anything]":
        return cls


def _no_terminal(_fd: int) -> bool:
    """For os.isatty: python-pam would ask for the name of the terminal on descriptor 0, which need not have one."""
    return False


# The names that ctypes and python-pam use of modules that are slow to import: together these modules take longer than an
# interpreter's start. ctypes.util takes longer still, and runs ldconfig or a compiler. Of ctypes._endian ctypes only has the
# names, which python-pam does not use.
_ENDIAN = ("BigEndianStructure", "BigEndianUnion", "LittleEndianStructure", "LittleEndianUnion")
_STAND_INS: "dict[str, dict[str, object]]" = {
    "ctypes._endian": dict.fromkeys(_ENDIAN, _Anything),
    "ctypes.util": {"find_library": PAM_LIBRARIES.get},
    "os": {"name": "posix", "environ": {}, "isatty": _no_terminal, "fspath": posix.fspath},
    "six": {"text_type": str, "PY2": False, "PY3": True},
    "struct": {"calcsize": calcsize},
    "types": {"GenericAlias": type(list[int])},
    "typing": dict.fromkeys(("Any", "Callable", "Dict", "List", "Optional", "Tuple", "Union"), _Anything),
}


def _stand_in(name: str, known: "dict[str, object]") -> "Any":
    """A module with some names of the module `name`. Any other name comes from the real one, which is imported then."""
    module: "Any" = type(sys)(name)

    def other(attribute: str) -> "Any":
        if attribute.startswith("__"):
            raise AttributeError(attribute)  # these are for the import system
        if sys.modules.get(name) is module:
            del sys.modules[name]
        real = __import__(name, fromlist=[attribute])
        return getattr(real, attribute)

    module.__dict__.update(known, __getattr__=other)
    return module


def _python_pam() -> "tuple[Any, Any]":
    """ctypes, and python-pam's inner module, with as little else as possible. Raises ImportError.

    A python-pam that needs more than the stand-ins ("from typing import *") gets the real modules, except ctypes.util and six.
    """
    directories = [path.format(sys.prefix, "%d.%d" % sys.version_info[:2]) for path in PYTHON_DIRECTORIES]
    sys.path += directories
    try:
        try:
            # In place of the package pam, which would import all names from its inner module one by one.
            return _imported({**_STAND_INS, "pam": {"__path__": [f"{directory}/pam" for directory in directories]}})
        except (ImportError, AttributeError, NameError, TypeError):
            for name in ("pam", "pam.__internals"):
                sys.modules.pop(name, None)
            imported = _imported({name: _STAND_INS[name] for name in ("ctypes.util", "six")})  # Debian need not have six
            if "os" in sys.modules:
                sys.modules["os"].__dict__["isatty"] = _no_terminal  # nothing else in this process calls it
            return imported
    finally:
        del sys.path[-len(directories) :]


def _imported(stand_ins: "dict[str, dict[str, object]]") -> "tuple[Any, Any]":
    """ctypes and python-pam's inner module, imported while `stand_ins` are in the places of other modules."""
    added = {name: _stand_in(name, known) for name, known in stand_ins.items() if name not in sys.modules}
    sys.modules.update(added)
    try:
        import ctypes

        import pam.__internals as internals

        return ctypes, internals
    finally:
        for name, module in added.items():
            if sys.modules.get(name) is module:
                del sys.modules[name]


class Pam:
    """PAM, loaded and ready. Loading takes the time of a few imports: do it while the client types."""

    def __init__(self) -> None:
        """Import python-pam; raises ImportError (python-pam or its own needs are missing) or OSError (libpam is)."""
        ctypes, internals = self._ctypes, self._internals = _python_pam()
        self._authenticator: "Any" = internals.PamAuthenticator()
        self._given = False  # whether a module has got the password
        self._get_item = ctypes.CDLL(PAM_LIBRARIES["pam"]).pam_get_item
        self._get_item.restype = ctypes.c_int
        self._get_item.argtypes = [internals.PamHandle, ctypes.c_int, ctypes.POINTER(ctypes.c_char_p)]
        libc = ctypes.CDLL(None)
        self._calloc, self._free = libc.calloc, libc.free
        self._calloc.restype, self._calloc.argtypes = ctypes.c_void_p, [ctypes.c_size_t, ctypes.c_size_t]
        self._free.restype, self._free.argtypes = None, [ctypes.c_void_p]

    def warm(self) -> None:
        """Load the modules of the service, which processes that are forked from this one then have. Nobody is asked anything.

        It is pam_start(3) that reads the service's file and loads its modules; without pam_end(3) they stay.
        """
        conv = self._internals.PamConv(self._internals.conv_func(lambda *_: _CONV_ERR), None)
        handle = self._internals.PamHandle()
        self._warm = conv, handle  # PAM keeps a pointer
        ctypes = self._ctypes
        self._authenticator.pam_start(PAM_SERVICE.encode(), NO_ACCOUNT.encode(), ctypes.byref(conv), ctypes.byref(handle))

    def authenticate(self, user: bytes, password: bytes, address: bytes) -> Answer:
        """PAM's answer: whether `password` is right, and whether the account may be used now.

        address: the client's, numeric, for PAM_RHOST, or empty. Takes as long as the PAM stack does. Never raises. Call it
        once: a session has one login. No credentials are established and no session is opened (as in C popa3d's auth_pam.c).
        """
        if not user or not password or b"\0" in user + password + address:
            return Answer(FAILED)
        ctypes, authenticator = self._ctypes, self._authenticator
        codes: list[int] = []  # of authentication, then of account management
        reason = "python-pam did not ask"

        @self._internals.conv_func  # type: ignore[untyped-decorator]
        def conversation(count: int, messages: "Any", responses: "Any", _data: "Any") -> int:
            try:
                return self._answer(count, messages, responses, password)
            except Exception:
                return _CONV_ERR

        conv = self._internals.PamConv(conversation, None)
        pam_start, pam_set_item = authenticator.pam_start, authenticator.pam_set_item
        pam_authenticate, pam_acct_mgmt = authenticator.pam_authenticate, authenticator.pam_acct_mgmt

        def returned(function: str, code: int) -> int:
            nonlocal reason
            reason = f"{function} returned {name(code)}"
            return code

        def start(service: bytes, user: bytes, _conv: "Any", handle: "Any") -> "Any":
            return returned("pam_start", pam_start(service, user, ctypes.byref(conv), handle))

        def authentication(handle: "Any", flags: int) -> "Any":
            for item, value in ((_TTY, PAM_TTY.encode()), (_RHOST, address)):
                if value:
                    result = pam_set_item(handle, item, value)
                    if result != _SUCCESS:
                        return returned("pam_set_item", result)
            codes.append(pam_authenticate(handle, flags | _SILENT | _DISALLOW_NULL_AUTHTOK))
            return returned("pam_authenticate", codes[-1])

        def account(handle: "Any", flags: int) -> "Any":
            codes.append(pam_acct_mgmt(handle, flags | _SILENT | _DISALLOW_NULL_AUTHTOK))
            return returned("pam_acct_mgmt", codes[-1])

        authenticator.pam_start, authenticator.pam_authenticate, authenticator.pam_acct_mgmt = start, authentication, account
        owner = None
        try:
            passed = authenticator.authenticate(user, password, PAM_SERVICE, call_end=False, resetcreds=False)
            owner = self._user() if codes[:1] == [_SUCCESS] else None
            authenticator.end()
            fault = "" if passed is True or judge(codes, self._given) != PASSED else "python-pam contradicts PAM"
        except Exception as error:
            fault = f"python-pam: {type(error).__name__}"  # its text may have the password
        if fault:
            del codes[1:]  # so that it is no login, whatever account management has said
        return Answer(judge(codes, self._given), owner, fault or reason)

    def manage_account(self, user: bytes) -> str:
        """What account management alone says of a user, for popa3d-check: a code's name. It proves nothing about a password."""
        ctypes, authenticator = self._ctypes, self._authenticator

        @self._internals.conv_func  # type: ignore[untyped-decorator]
        def conversation(_count: int, _messages: "Any", _responses: "Any", _data: "Any") -> int:
            return _CONV_ERR

        conv, handle = self._internals.PamConv(conversation, None), self._internals.PamHandle()
        code = authenticator.pam_start(PAM_SERVICE.encode(), user, ctypes.byref(conv), ctypes.byref(handle))
        if code == _SUCCESS:
            authenticator.pam_set_item(handle, _TTY, PAM_TTY.encode())
            code = authenticator.pam_acct_mgmt(handle, _SILENT | _DISALLOW_NULL_AUTHTOK)
            authenticator.pam_end(handle, code)
        return name(code)

    def _user(self) -> bytes:
        """PAM_USER, which a module may have changed; empty if there is none."""
        item = self._ctypes.c_char_p()
        if self._get_item(self._authenticator.handle, _USER, self._ctypes.byref(item)) != _SUCCESS:
            return b""
        return item.value or b""

    def _answer(self, count: int, messages: "Any", responses: "Any", password: bytes) -> int:
        """The conversation: the password for each hidden prompt, silence for information, an error for all else."""
        if not 0 < count <= _MESSAGES:
            return _CONV_ERR
        styles = [messages[i].contents.msg_style for i in range(count)]
        if not set(styles) <= {_PROMPT_ECHO_OFF, _ERROR_MSG, _TEXT_INFO}:
            return _CONV_ERR
        self._given = self._given or _PROMPT_ECHO_OFF in styles
        ctypes, kind = self._ctypes, self._internals.PamResponse
        array = self._calloc(count, ctypes.sizeof(kind))
        if not array:
            return _CONV_ERR
        answers = (kind * count).from_address(array)
        for i, style in enumerate(styles):
            if style == _PROMPT_ECHO_OFF:
                copy = self._calloc(len(password) + 1, 1)
                if not copy:
                    return _CONV_ERR  # out of memory: what was allocated goes with the process
                ctypes.memmove(copy, password, len(password))
                ctypes.c_void_p.from_buffer(answers[i], kind.resp.offset).value = copy
        responses[0] = ctypes.cast(array, ctypes.POINTER(kind))
        return _SUCCESS

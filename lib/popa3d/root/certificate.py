"""The certificate and its key: the files as the administrator has them, and what OpenSSL makes of them. Imports _ssl.

Runs as: root, in the process that will talk TLS or that keeps the key for such ones, and to check the configuration.
Trusts: the administrator; nothing that a client sent comes here.
"""

import _ssl
import _stat as stat
import posix as os  # as os, without its start-up time
import time

from ..shared import Failure
from ..shared.tls_limits import TLS_CIPHERS
from . import settings_file

TYPE_CHECKING = False  # the typing module would cost start-up time
if TYPE_CHECKING:
    from typing import Any

    from ..shared.settings import Settings

_MINIMUM = {"1.2": _ssl.PROTO_TLSv1_2, "1.3": _ssl.PROTO_TLSv1_3}
_MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]


class Unusable(Failure):
    """TLS cannot be had with this certificate and key. The reason is for the administrator."""


def context(settings: "Settings") -> "Any":
    """An _SSLContext with the certificate and the key of the settings. Raises Unusable."""
    made = _ssl._SSLContext(_ssl.PROTOCOL_TLS_SERVER)
    made.minimum_version = _MINIMUM[settings.minimum]
    made.set_ciphers(TLS_CIPHERS)
    # No tickets: each session's process but those of -D has a context of its own, which could not read others'. A truncated
    # connection must not look like a complete one.
    made.options |= _ssl.OP_NO_COMPRESSION | _ssl.OP_NO_RENEGOTIATION | _ssl.OP_NO_TICKET
    made.options &= ~_ssl.OP_IGNORE_UNEXPECTED_EOF
    made.num_tickets = 0
    certificate, key = _opened("certificate", settings.certificate), -1
    try:
        key = _opened("key", settings.key)
        # By their descriptors: the files that are loaded are those that were looked at. Without an answer OpenSSL would ask
        # for a password on the terminal.
        made.load_cert_chain(f"/proc/self/fd/{certificate}", f"/proc/self/fd/{key}", _no_password)
    except _ssl.SSLError as error:
        raise Unusable(_reason(settings, str(error.reason or ""))) from None
    except (OSError, ValueError) as error:
        raise Unusable(f"tls.key: {settings.key}: {_text(error)}") from None
    finally:
        os.close(certificate)
        if key >= 0:
            os.close(key)
    return made


def valid_s(settings: "Settings") -> float:
    """For how many seconds the certificate is still valid; negative if it has expired. Raises Unusable."""
    return dates(settings)[1] - time.time()


def dates(settings: "Settings") -> tuple[float, float]:
    """From when to when the certificate is valid, in seconds of time.time. Raises Unusable."""
    from calendar import timegm  # slow, and needed only to check a configuration

    try:
        decoded = _ssl._test_decode_cert(settings.certificate)  # type: ignore[attr-defined] # not for tests alone any more
        moments = []
        for name in ("notBefore", "notAfter"):
            month, day, clock, year, _ = decoded[name].split()  # "Jun  1 12:00:00 2031 GMT"
            hour, minute, second = map(int, clock.split(":"))
            moments.append(float(timegm((int(year), _MONTHS.index(month) + 1, int(day), hour, minute, second))))
        return moments[0], moments[1]
    except (OSError, ValueError, KeyError) as error:
        raise Unusable(f"tls.certificate: {settings.certificate}: {_text(error)}") from None


def _opened(name: str, path: str) -> int:
    """A descriptor of a file of root's that only root can write; a key may be read by a group at most. Raises Unusable."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        raise Unusable(f"tls.{name}: {path}: {error.strerror}") from None
    status = os.fstat(fd)
    reason = settings_file.fault(status)
    if not reason and name == "key" and status.st_mode & stat.S_IROTH:
        reason = "can be read by everybody"
    if reason:
        os.close(fd)
        raise Unusable(f"tls.{name}: {path}: {reason}")
    return fd


def _no_password() -> bytes:
    raise ValueError("it is encrypted with a password, which nobody is there to enter")


def _reason(settings: "Settings", reason: str) -> str:
    if reason == "KEY_VALUES_MISMATCH":
        return f"tls.key: {settings.key} does not belong to {settings.certificate}"
    return f"tls.certificate, tls.key: OpenSSL cannot use {settings.certificate} with {settings.key}: {reason or 'not PEM'}"


def _text(error: Exception) -> str:
    return (error.strerror if isinstance(error, OSError) else "") or str(error)

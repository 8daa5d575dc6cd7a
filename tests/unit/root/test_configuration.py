"""The administrator's file: what it may say, and how it is told that it may not."""

from __future__ import annotations

import pytest

from popa3d.root.configuration import Refused, settings
from popa3d.shared.settings import TABLE, Settings


def test_every_key() -> None:
    """Each key sets the setting of its name, and an empty file sets nothing."""
    text = b"""
    [session]
    timeout_s = 700
    login_timeout_s = 30
    [login]
    domains = ["example.org", "*"]
    lower_case = true
    [mailbox]
    spool = "/srv/mail"
    home_file = "mail/inbox"
    locks = ["dotlock", "flock"]
    state = "/srv/state"
    max_messages = 5
    max_octets = 6
    [sandbox]
    require = true
    [listen]
    port = 1110
    addresses = ["127.0.0.1", "::1"]
    sessions = 7
    sessions_per_source = 8
    unauthenticated = 9
    min_delay_s = 0
    backlog = 9
    spare = 0
    tls_port = 9950
    proxies = ["127.0.0.1", "10.0.0.0/8", "2001:db8::/32"]
    proxies_tls = true
    [log]
    to = "stderr"
    facility = "mail"
    [tls]
    certificate = "/etc/ssl/pop.pem"
    key = "/etc/ssl/private/pop.key"
    plaintext_logins = "never"
    minimum = "1.3"
    """
    found = settings(text, "f")
    assert found.__dict__ == {
        "timeout_s": 700,
        "login_timeout_s": 30,
        "domains": ("example.org", "*"),
        "lower_case": True,
        "spool": "/srv/mail",
        "home_file": "mail/inbox",
        "locks": ("dotlock", "flock"),
        "state": "/srv/state",
        "max_messages": 5,
        "max_octets": 6,
        "require": True,
        "proxies": ("127.0.0.1", "10.0.0.0/8", "2001:db8::/32"),
        "proxies_tls": True,
        "port": 1110,
        "addresses": ("127.0.0.1", "::1"),
        "sessions": 7,
        "sessions_per_source": 8,
        "unauthenticated": 9,
        "min_delay_s": 0,
        "tls_port": 9950,
        "certificate": "/etc/ssl/pop.pem",
        "key": "/etc/ssl/private/pop.key",
        "plaintext_logins": "never",
        "minimum": "1.3",
        "backlog": 9,
        "to": "stderr",
        "facility": "mail",
        "spare": 0,
    }
    assert {setting.key for setting in TABLE} == set(found.__dict__)
    assert settings(b"", "f").__dict__ == Settings().__dict__


@pytest.mark.parametrize(
    ("text", "part"),
    [
        (b"[session]\ntimeout = 1", "f: unknown key session.timeout"),
        (b"[session]\n'time\\out' = 1", r"f: unknown key session.'time\\out'"),
        (b'"a\\nb" = 1', r"f: unknown table or key 'a\nb'"),
        (b"[mailbox]\n[mailbox]\n", "f: Cannot declare [mailbox] twice (at line 2, column 9)"),
        (b"[a.b]\n[a.b]\n", "f: Cannot declare [a.b] twice (at line 2, column 5)"),
        (b"[listen]\naddresses = []", "listen.addresses must name an address"),
        (b"[mailbox]\nhome_file = '~/Mailbox'", "write it without ~"),
        (b"[mailbox]\nstate = '/var/lib/popa3d'", "mailbox.state must not be in /var/lib/popa3d"),
        (b"[mailbox]\nstate = '/var/lib//x/../popa3d/./y/'", "mailbox.state must not be in /var/lib/popa3d"),
        (b"[mailbox]\nmax_messages = 2097153", "mailbox.max_messages must be a number from 1 to 2097152"),
        (b"[mailbox]\nlocks = []", "mailbox.locks must be one or several of fcntl, flock, dotlock"),
        (b"[mailbox]\nlocks = ['fcntl', 'fcntl']", "mailbox.locks must be one or several of fcntl, flock, dotlock"),
        (b"[sessions]", "f: unknown table or key sessions"),
        (b"timeout_s = 1", "f: unknown table or key timeout_s"),
        (b"session = 1", "session must be a table"),
        (b"[session]\ntimeout_s = '1'", "session.timeout_s must be a number"),
        (b"[session]\ntimeout_s = true", "session.timeout_s must be a number"),
        (b"[session]\ntimeout_s = 1.5", "session.timeout_s must be a number"),
        (b"[session]\ntimeout_s = 0", "session.timeout_s must be a number from 1 to 86400"),
        (b"[session]\nlogin_timeout_s = -1", "session.login_timeout_s"),
        (b"[mailbox]\nmax_octets = 99999999999999999999", "mailbox.max_octets"),
        (b"[mailbox]\nspool = 1", "mailbox.spool must be a string"),
        (b"[mailbox]\nspool = 'var/mail'", "mailbox.spool"),
        (b"[mailbox]\nhome_file = '/etc/shadow'", "mailbox.home_file"),
        (b"[mailbox]\nhome_file = '../bob/mail'", "mailbox.home_file"),
        (b'[mailbox]\nhome_file = "a\\u0000b"', "mailbox.home_file"),
        (b"[mailbox]\nhome_file = 'Mail/'", "mailbox.home_file must name a file"),
        (b"[mailbox]\nhome_file = '.'", "mailbox.home_file must name a file"),
        (b"[mailbox]\nspool = '/var/lib/popa3d/mail'", "mailbox.spool must not be in /var/lib/popa3d"),
        (b'[mailbox]\nspool = "/a\\u0000b"', "mailbox.spool"),
        (b'[mailbox]\nstate = "state"', "mailbox.state"),
        (b"[mailbox]\nlocks = []", "mailbox.locks"),
        (b"[mailbox]\nlocks = ['lockf']", "mailbox.locks"),
        (b"[mailbox]\nlocks = ['fcntl', 'fcntl']", "mailbox.locks"),
        (b"[session\n", "line 1"),
        (b"[listen]\nport = 65536", "listen.port must be a number from 1 to 65535"),
        (b"[listen]\naddresses = '127.0.0.1'", "listen.addresses must be a list of strings"),
        (b"[listen]\naddresses = ['localhost']", "listen.addresses must be numeric"),
        (b"[listen]\naddresses = ['127.0.0.1', '::1', '127.0.0.1']", "an address that is the same"),
        (b"[listen]\naddresses = ['::1', '0:0::1']", "an address that is the same"),
        (b"[listen]\naddresses = ['127.0.0.1', '0.0.0.0']", "listen.addresses has 0.0.0.0, and an address"),
        (b"[listen]\naddresses = ['::ffff:127.0.0.1']", "IPv4 addresses as such, not '::ffff:127.0.0.1'"),
        (b"[listen]\naddresses = [1]", "listen.addresses must be numeric"),
        (b"[listen]\naddresses = ['::1\\u0000']", "listen.addresses must be numeric"),
        (b"[listen]\nproxies = '127.0.0.1'", "listen.proxies must be a list of strings"),
        (b"[listen]\nproxies = ['localhost']", "listen.proxies must be addresses, or networks such as"),
        (b"[listen]\nproxies = [1]", 'networks such as "10.0.0.0/8", not 1'),
        (b"[listen]\nproxies = ['10.0.0.0/']", "not '10.0.0.0/'"),
        (b"[listen]\nproxies = ['10.0.0.0/08']", "not '10.0.0.0/08'"),
        (b"[listen]\nproxies = ['10.0.0.0/255.0.0.0']", "not '10.0.0.0/255.0.0.0'"),
        (b"[listen]\nproxies = ['10.0/8']", "not '10.0/8'"),
        (b"[listen]\nproxies = ['10.0.0.0/33']", "the prefix of 10.0.0.0/33 must have 1 to 32 bits"),
        (b"[listen]\nproxies = ['::1', '2001:db8::/129']", "the prefix of 2001:db8::/129 must have 1 to 128 bits"),
        (b"[listen]\nproxies = ['0.0.0.0/0']", "the prefix of 0.0.0.0/0 must have"),
        (b"[listen]\nproxies = ['10.0.0.1/8']", "10.0.0.1/8 has bits behind its prefix"),
        (b"[listen]\nproxies = ['2001:db8::1/64']", "2001:db8::1/64 has bits behind its prefix"),
        (b"[listen]\nproxies = ['::ffff:127.0.0.1']", "IPv4 addresses as such, not '::ffff:127.0.0.1'"),
        (b"[listen]\nproxies = ['::1', '0::1/128']", "listen.proxies has 0::1/128 twice"),
        (b"[listen]\nproxies_tls = true", "listen.proxies_tls needs listen.proxies"),
        (b"[listen]\nproxies = []\nproxies_tls = true", "listen.proxies_tls needs listen.proxies"),
        (b"[listen]\nproxies = ['::1']\nproxies_tls = 1", "listen.proxies_tls must be true or false"),
        (b"[login]\nlower_case = 1", "login.lower_case must be true or false"),
        (b"[login]\nlower_case = 'true'", "login.lower_case must be true or false"),
        (b"[login]\ndomains = 'example.org'", "login.domains must be a list of strings"),
        (b"[login]\ndomains = [1]", 'login.domains must be domains such as "example.org", or "*", not 1'),
        (b"[login]\ndomains = ['']", "login.domains must be domains"),
        (b"[login]\ndomains = ['@example.org']", "login.domains must be domains"),
        (b"[login]\ndomains = ['example.org ']", "not 'example.org '"),
        (b"[login]\ndomains = ['example.org', 'example .net']", "not 'example .net'"),
        (b"[login]\ndomains = ['.example.org']", "login.domains must be domains"),
        (b"[login]\ndomains = ['example.org.']", "login.domains must be domains"),
        (b"[login]\ndomains = ['example..org']", "login.domains must be domains"),
        (b"[login]\ndomains = ['*.example.org']", "login.domains must be domains"),
        (b"[login]\ndomains = ['**']", "login.domains must be domains"),
        (b'[login]\ndomains = ["example.org\\n"]', "login.domains must be domains"),
        ("[login]\ndomains = ['b\u00fccher.example']".encode(), "login.domains must be domains"),
        (b"[login]\ndomains = ['example.org', 'Example.ORG']", "login.domains has Example.ORG twice"),
        (b"[login]\ndomains = ['*', 'a', '*']", "login.domains has * twice"),
        (b"\xff", "f: "),
        (b"x = " + b"[" * 5000, "f: "),
    ],
)
def test_refused(text: bytes, part: str) -> None:
    """A mistake is refused in one line that names the file and the key."""
    with pytest.raises(Refused) as refused:
        settings(text, "f")
    assert str(refused.value).startswith("f: ")
    assert part in str(refused.value)
    assert "\n" not in str(refused.value)


def test_all_addresses_of_both_families() -> None:
    """They are no part of one another."""
    assert settings(b"[listen]\naddresses = ['0.0.0.0', '::']", "f").addresses == ("0.0.0.0", "::")


def test_domains() -> None:
    """Names of any number of parts are domains, a host's alone as well, and they stay as they are written; there may be none."""
    assert settings(b"[login]\ndomains = ['Mail', 'xn--bcher-kva.example', 'a_b.c-d.e']", "f").domains == (
        "Mail",
        "xn--bcher-kva.example",
        "a_b.c-d.e",
    )
    assert settings(b"[login]\ndomains = []\nlower_case = false", "f").__dict__ == Settings().__dict__


def test_bounds() -> None:
    """The least and the greatest number of each key are taken, and the next ones are not."""
    for setting in TABLE:
        if isinstance(setting.kind, tuple):
            least, most = setting.kind
            for number in (least, most):
                text = f"[{setting.table}]\n{setting.key} = {number}".encode()
                assert getattr(settings(text, "f"), setting.key) == number
            for number in (least - 1, most + 1):
                text = f"[{setting.table}]\n{setting.key} = {number}".encode()
                with pytest.raises(Refused, match=f"{setting.table}.{setting.key} must be a number from {least} to {most}"):
                    settings(text, "f")


PAIR = '[tls]\ncertificate = "/c"\nkey = "/k"\n'


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ('[tls]\ncertificate = "/c"', "tls.certificate needs tls.key"),
        ('[tls]\nkey = "/k"', "tls.key needs tls.certificate"),
        ('[tls]\nminimum = "1.3"', "tls.minimum needs tls.certificate and tls.key"),
        ('[tls]\nplaintext_logins = "always"', "tls.plaintext_logins needs tls.certificate and tls.key"),
        (f'{PAIR}minimum = "1.1"', "tls.minimum must be one of '1.2', '1.3'"),
        (f"{PAIR}minimum = 1.2", "tls.minimum must be one of '1.2', '1.3'"),
        (f'{PAIR}plaintext_logins = "yes"', "tls.plaintext_logins must be one of 'never', 'local', 'always'"),
        ('[tls]\ncertificate = "c.pem"\nkey = "/k"', "tls.certificate must be an absolute path of a file"),
        ('[tls]\ncertificate = "/c"\nkey = "/k/"', "tls.key must be an absolute path of a file"),
        ('[tls]\ncertificate = "/c"\nkey = 5', "tls.key must be a string"),
        (f"{PAIR}[listen]\nport = 995", "listen.tls_port must be another one than listen.port"),
        (f"{PAIR}[listen]\ntls_port = 65536", "listen.tls_port must be a number from 0 to 65535"),
    ],
)
def test_tls(text: str, reason: str) -> None:
    """What TLS needs, and what fits together."""
    with pytest.raises(Refused) as refused:
        settings(text.encode(), "f")
    assert refused.value.reason == f"f: {reason}"

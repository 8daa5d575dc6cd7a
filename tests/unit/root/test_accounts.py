"""What a name that a client types may mean, and how much is looked up for it."""

from __future__ import annotations

import pytest

from popa3d.root import accounts
from popa3d.shared.limits import NO_ACCOUNT, USER
from popa3d.shared.settings import Settings
from tests.unit.root.accounts import account

KNOWN = {name.encode(): account(name) for name in ("alice", "Bob", "bob", "carol@example.org", "carol", "UPPER", "a@b", USER)}


def named(domains: tuple[str, ...] = (), lower_case: bool = False) -> Settings:
    """Settings with these of the table [login]."""
    settings = Settings()
    settings.domains, settings.lower_case = domains, lower_case
    return settings


@pytest.fixture
def found(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """The names that are looked up, on a host with the accounts of KNOWN."""
    names: list[bytes] = []

    def find(name: bytes) -> object:
        names.append(name)
        return KNOWN.get(name)

    monkeypatch.setattr(accounts, "find", find)
    return names


def meant(typed: str, *domains: str, lower_case: bool = False) -> str:
    """The name of the account; empty if there is none."""
    claimed = accounts.claimed(typed.encode("latin-1"), named(domains, lower_case))
    return claimed.pw_name if claimed else ""


ORG = "example.org"


@pytest.mark.parametrize(
    ("typed", "domains", "name"),
    [
        ("alice", (), "alice"),
        ("alice", (ORG,), "alice"),
        ("alice@example.org", (), ""),
        ("alice@example.org", (ORG,), "alice"),
        ("alice@Example.ORG", (ORG,), "alice"),
        ("alice@example.org", ("EXAMPLE.org",), "alice"),
        ("alice@example.net", (ORG,), ""),
        ("alice@example.net", (ORG, "example.net"), "alice"),
        ("alice@mail.example.org", (ORG,), ""),
        ("alice@org", (ORG,), ""),
        ("alice@example.org.", (ORG,), ""),
        ("alice@anything at all", ("*",), "alice"),
        ("alice@*", (ORG,), ""),
        ("alice@", ("*",), ""),
        ("@example.org", (ORG,), ""),
        ("alice@x@example.org", (ORG, "x"), ""),
        ("a@b@example.org", (ORG,), "a@b"),
        ("carol@example.org", (ORG,), "carol@example.org"),
        ("carol@example.net", ("*",), "carol"),
        ("carol@example.org@example.net", ("*",), "carol@example.org"),
        ("ALICE@example.org", (ORG,), ""),
    ],
)
def test_domains(found: list[bytes], typed: str, domains: tuple[str, ...], name: str) -> None:
    """What follows the last @ is left out if it is one of the domains, in any case; an account with the whole name wins."""
    assert meant(typed, *domains) == name


@pytest.mark.parametrize(
    ("typed", "domains", "name"),
    [
        ("ALICE", (), "alice"),
        ("Alice@EXAMPLE.org", (ORG,), "alice"),
        ("Alice@example.org", (), ""),
        ("Bob", (), "Bob"),
        ("BOB", (), "bob"),
        ("Bob@example.org", (ORG,), "Bob"),
        ("bob@example.org", (ORG,), "bob"),
        ("Carol@Example.org", (ORG,), "carol@example.org"),
        ("UPPER", (), "UPPER"),
        ("upper", (), ""),
        ("AL\xcdCE", (), ""),
    ],
)
def test_lower_case(found: list[bytes], typed: str, domains: tuple[str, ...], name: str) -> None:
    """A name in lower case is the next that it may mean, both with its domain and without it."""
    assert meant(typed, *domains, lower_case=True) == name


def test_upper_case_counts(found: list[bytes]) -> None:
    """Without lower_case a name is looked up as it was typed."""
    assert meant("ALICE") == "" and meant("ALICE@example.org", ORG) == ""
    assert found[::2] == [b"ALICE", b"ALICE@example.org", b"ALICE"]


@pytest.mark.parametrize(
    ("typed", "forms"),
    [
        ("Alice@Example.org", ["Alice@Example.org", "alice@example.org", "Alice", "alice"]),
        ("Zlice@Example.org", ["Zlice@Example.org", "zlice@example.org", "Zlice", "zlice"]),
        ("Bob@example.org", ["Bob@example.org", "bob@example.org", "Bob", "bob"]),
        ("alice@example.org", ["alice@example.org", "alice"]),
        ("carol@example.org", ["carol@example.org", "carol"]),
        ("alice", ["alice"]),
        ("zlice", ["zlice"]),
        ("Alice@example.net", ["Alice@example.net", "alice@example.net"]),
        ("@example.org", ["@example.org"]),
    ],
)
def test_all_are_looked_up(found: list[bytes], typed: str, forms: list[str]) -> None:
    """Each form is looked up once, whichever of them exist, and a look-up with the other answer follows each."""
    meant(typed, ORG, lower_case=True)
    assert found[::2] == [form.encode() for form in forms]
    assert found[1::2] == [(NO_ACCOUNT if form.encode() in KNOWN else USER).encode() for form in forms]

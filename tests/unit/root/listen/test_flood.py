"""The flood checks, with a clock and with chances of our own."""

from __future__ import annotations

from collections.abc import Iterable

from popa3d.root.listen.flood import Flood, Limits
from popa3d.root.listen.limits import REFUSALS
from popa3d.shared.limits import SESSIONS
from popa3d.shared.settings import Settings


def limits(**settings: int) -> Limits:
    """Limits of settings that are not the defaults."""
    all_settings = Settings()
    for name, value in settings.items():
        setattr(all_settings, name, value)
    return Limits(all_settings)


def admitted(flood: Flood, addresses: Iterable[str], most: Limits, first: int = 0, chance: float = 0.999) -> list[int]:
    """The process ids, from `first` on, of the sessions that some addresses get at time 0; what is refused gets none."""
    pids = []
    for pid, address in enumerate(addresses, first):
        if not flood.refusal(address, 0.0, most, chance):
            flood.started(pid, address, 0.0)
            pids.append(pid)
    return pids


def logged(flood: Flood, address: str, now: float, most: Limits, chance: float) -> str:
    """What the log has of a refusal; empty if there is none."""
    refusal = flood.refusal(address, now, most, chance)
    return "" if refusal is None else refusal.text()


def test_per_source_and_in_all() -> None:
    """One source has at most its limit, all have the other; for its source a session counts for min_delay_s at least."""
    flood = Flood()
    most = limits(sessions=6, sessions_per_source=4, min_delay_s=10)
    for pid in range(4):
        assert logged(flood, "192.0.2.1", 0.0, most, 0) == ""
        flood.started(pid, "192.0.2.1", 0.0)
        flood.logged_in(pid, pid)
    assert logged(flood, "192.0.2.1", 1.0, most, 0) == "192.0.2.1: per source limit reached"
    assert logged(flood, "192.0.2.2", 1.0, most, 0) == ""
    for pid in (10, 11):
        flood.started(pid, "192.0.2.2", 1.0)
        flood.logged_in(pid, pid)
    assert logged(flood, "192.0.2.3", 1.0, most, 0) == "192.0.2.3: sessions limit reached"
    flood.ended(0)
    assert flood.living() == 5
    assert logged(flood, "192.0.2.3", 1.0, most, 0) == ""  # what has ended takes no room
    assert logged(flood, "192.0.2.1", 9.9, most, 0) == "192.0.2.1: per source limit reached"  # gone, but counted
    assert logged(flood, "192.0.2.1", 10.0, most, 0) == ""
    flood.ended(99)  # not a session
    flood.logged_in(99, 99)


def test_ten_sources_do_not_shut_out_others() -> None:
    """Ten addresses, or ten /64s of one /60, that open all they can and say nothing leave room for everybody else."""
    ten = [f"192.0.2.{i}" for i in range(10)]
    scattered = [f"198.51.{i}.1" for i in range(10)]
    near = [f"2001:db8:0:{i}::1" for i in range(10)]
    for sources in (ten, scattered, near):
        flood = Flood()
        taken = admitted(flood, sources * 50, limits())
        assert 50 <= len(taken) <= SESSIONS // 4
        for address in ("203.0.113.9", "2001:db8:ffff::1"):
            assert logged(flood, address, 0.0, limits(), 0.0) == ""


def test_unauthenticated_sessions_never_take_the_room_of_others() -> None:
    """However many addresses there are, half of the sessions is for who has logged in; and these are counted apart."""
    flood = Flood()
    strangers = [f"10.{i >> 8}.{i & 255}.1" for i in range(4 * SESSIONS)]
    assert len(admitted(flood, strangers, limits())) == SESSIONS // 2
    assert logged(flood, "203.0.113.9", 0.0, limits(), 0.999) == "203.0.113.9: unauthenticated limit reached"
    for pid in range(SESSIONS // 2):
        flood.logged_in(pid, pid)
    assert logged(flood, "203.0.113.9", 0.0, limits(), 0.0) == ""
    assert len(admitted(flood, strangers, limits(), 10_000)) == SESSIONS // 2
    assert flood.living() == SESSIONS
    assert logged(flood, "203.0.113.9", 0.0, limits(), 0.999) == "203.0.113.9: sessions limit reached"


def test_the_limit_is_the_limit() -> None:
    """Even where it is too small for chances and shares."""
    flood = Flood()
    assert len(admitted(flood, [f"10.0.{i}.1" for i in range(30)], limits(unauthenticated=10), chance=0.0)) == 10
    assert logged(flood, "203.0.113.9", 0.0, limits(unauthenticated=10), 0.0) == "203.0.113.9: unauthenticated limit reached"


def test_early_random_drop() -> None:
    """From half of the limit on a newcomer is refused by chance, the more surely the fuller it is."""
    flood = Flood()
    most = limits(sessions=400, unauthenticated=100)
    admitted(flood, [f"10.0.{i}.1" for i in range(50)], most)
    assert logged(flood, "203.0.113.9", 0.0, most, 0.0) == ""
    admitted(flood, [f"10.1.{i}.1" for i in range(25)], most, 1000)
    assert logged(flood, "203.0.113.9", 0.0, most, 0.49) == "203.0.113.9: unauthenticated limit reached"
    assert logged(flood, "203.0.113.9", 0.0, most, 0.5) == ""


def test_shares_of_networks() -> None:
    """In a flood one source has one share, an IPv6 /56 two, a /48 and an IPv4 /24 four; the refusal names the network."""
    for addresses, crowded in (
        ([f"2001:db8::{i:x}" for i in range(9)], ("2001:db8::/64", 5)),
        ([f"2001:db8:0:{i:x}::1" for i in range(19)], ("2001:db8::/56", 10)),
        ([f"2001:db8:0:{i:x}00::1" for i in range(39)], ("2001:db8::/48", 20)),
        ([f"198.51.100.{i}" for i in range(39)], ("198.51.100.0/24", 20)),
        (["198.51.100.1"] * 9, ("198.51.100.1", 5)),
    ):
        flood = Flood()
        admitted(flood, [f"10.0.{i}.1" for i in range(SESSIONS // 4)], limits())
        network, share = crowded
        assert len(admitted(flood, addresses, limits(), 1000)) == share
        assert logged(flood, addresses[-1], 0.0, limits(), 0.999) == f"{network}: unauthenticated limit reached"


def test_quick_connections_count() -> None:
    """Who comes and goes without a login counts as one who stays, for min_delay_s."""
    flood = Flood()
    most = limits(min_delay_s=10)
    for pid in admitted(flood, [f"10.0.{i}.1" for i in range(SESSIONS // 4)], most):
        flood.ended(pid)
    assert flood.living() == 0
    assert len(admitted(flood, ["198.51.100.1"] * 9, most, 1000)) == 5
    for pid in range(1000, 1005):
        flood.ended(pid)
    assert logged(flood, "198.51.100.1", 10.0, most, 0.0) == ""


def test_a_small_server() -> None:
    """Where few sessions are allowed at all nobody is refused at random; but one source still cannot take all of them."""
    flood = Flood()
    assert len(admitted(flood, ["192.0.2.1"] * 30, limits(sessions=20), chance=0.0)) == 10
    assert len(admitted(flood, [f"198.51.{i}.1" for i in range(30)], limits(sessions=20), 1000, chance=0.0)) == 10
    flood = Flood()
    assert len(admitted(flood, ["192.0.2.1"] * 30, limits(sessions=5), chance=0.0)) == 5


def test_log_is_not_flooded() -> None:
    """A line is logged once in min_delay_s, and a flood of sources does not fill memory."""
    flood = Flood()
    assert [flood.may_log("x", now, 10) for now in (0.0, 1.0, 9.9, 10.0, 11.0)] == [True, False, False, True, False]
    allowed = sum(flood.may_log(f"{i}", 11.0, 10) for i in range(5 * REFUSALS))
    assert allowed == REFUSALS - 1
    assert flood.may_log("y", 30.0, 10)

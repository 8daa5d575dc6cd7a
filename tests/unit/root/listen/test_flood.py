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


PROXY = "10.0.0.1"


def came(flood: Flood, pid: int, address: str, most: Limits, now: float = 0.0, chance: float = 0.999) -> str:
    """What the log has of the refusal of a client that comes through a proxy; empty if there is none."""
    assert flood.refusal(PROXY, now, most, chance, is_proxy=True) is None
    flood.started(pid, PROXY, now, is_proxy=True)
    refusal = flood.came(pid, address, now, most)
    if refusal is not None:
        flood.ended(pid)
    return "" if refusal is None else refusal.text()


def test_a_proxy_has_no_limit_per_source() -> None:
    """Its connections count among those without a login and among all, and for no source or network."""
    flood = Flood()
    most = limits(sessions=1000, sessions_per_source=2, unauthenticated=600, min_delay_s=10)
    for pid in range(300):
        assert flood.refusal(PROXY, 0.0, most, 0.999, is_proxy=True) is None
        flood.started(pid, PROXY, 0.0, is_proxy=True)
    assert flood.refusal(PROXY, 0.0, most, 0.999) is None  # nothing counts for it if it is none any more
    for pid in range(300, 600):
        flood.started(pid, PROXY, 0.0, is_proxy=True)
    refusal = flood.refusal(PROXY, 0.0, most, 0.999, is_proxy=True)
    assert refusal is not None and refusal.text() == "10.0.0.1: unauthenticated limit reached"
    few = limits(sessions=600, unauthenticated=1000)
    refusal = flood.refusal(PROXY, 0.0, few, 0.999, is_proxy=True)
    assert refusal is not None and refusal.text() == "10.0.0.1: sessions limit reached"
    for pid in range(600):
        flood.ended(pid)
    assert flood.refusal(PROXY, 0.0, most, 0.999, is_proxy=True) is None  # those without a client are forgotten at once
    assert (flood._unauthenticated, flood._of_source, flood._of_networks) == (0, {}, ({}, {}, {}))


def test_clients_of_a_proxy_count_as_others() -> None:
    """The limit of a source is one for clients that come through proxies and for those that do not."""
    flood = Flood()
    most = limits(sessions_per_source=3, min_delay_s=10)
    flood.started(1, "192.0.2.1", 0.0)
    assert came(flood, 2, "192.0.2.1", most) == came(flood, 3, "192.0.2.1", most) == ""
    assert came(flood, 4, "192.0.2.1", most) == "192.0.2.1: per source limit reached"
    assert logged(flood, "192.0.2.1", 0.0, most, 0) == "192.0.2.1: per source limit reached"
    assert came(flood, 5, "192.0.2.2", most) == ""
    flood.logged_in(2, 20)
    for pid in (2, 20, 3):
        flood.ended(pid)
    assert came(flood, 6, "192.0.2.1", most, 9.9) == "192.0.2.1: per source limit reached"  # gone, but counted
    assert came(flood, 7, "192.0.2.1", most, 10.0) == ""
    assert flood.came(7, "192.0.2.9", 10.0, most) is None  # once is enough
    assert flood.came(99, "192.0.2.9", 10.0, most) is None  # not a session
    assert "192.0.2.9" not in flood._of_source


def test_networks_of_clients_of_a_proxy() -> None:
    """From half of the limit on, their networks have their shares of the connections without a login."""
    flood = Flood()
    most = limits(sessions=1000, sessions_per_source=1000, unauthenticated=500)
    assert [came(flood, pid, f"2001:db8:{pid}::1", most) for pid in range(250)] == [""] * 250
    texts = [came(flood, pid, "203.0.113.7", most) for pid in range(300, 320)]
    assert texts == [""] * 10 + ["203.0.113.7: unauthenticated limit reached"] * 10
    assert flood._unauthenticated == 260  # those that were refused take no room


def test_a_client_that_is_known_late() -> None:
    """One that has logged in meanwhile, as the listener did not answer, is not refused, and counts for its source."""
    flood = Flood()
    most = limits(sessions_per_source=1, min_delay_s=0)
    flood.started(1, "192.0.2.1", 0.0)
    flood.started(2, PROXY, 0.0, is_proxy=True)
    flood.logged_in(2, 2)
    assert flood.came(2, "192.0.2.1", 0.0, most) is None
    flood.ended(1)
    assert logged(flood, "192.0.2.1", 0.0, most, 0) == "192.0.2.1: per source limit reached"
    flood.ended(2)
    assert logged(flood, "192.0.2.1", 0.0, most, 0) == ""
    assert (flood._unauthenticated, flood._of_source, flood._of_networks) == (0, {}, ({}, {}, {}))


def test_a_proxy_that_is_a_client_too() -> None:
    """Sessions that a proxy's clients, or it itself, have from its address are no reason to refuse what it connects."""
    flood = Flood()
    most = limits(sessions_per_source=1, min_delay_s=10)
    flood.started(1, PROXY, 0.0)
    assert logged(flood, PROXY, 0.0, most, 0) == "10.0.0.1: per source limit reached"
    assert flood.refusal(PROXY, 0.0, most, 0, is_proxy=True) is None

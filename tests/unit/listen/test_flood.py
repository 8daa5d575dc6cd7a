"""The flood checks, with a clock of our own."""

from __future__ import annotations

from popa3d.listen.flood import _LOGGED, Flood


def test_per_source_and_in_all() -> None:
    """One source has at most its limit, all have the other; a session counts while it lives and for min_delay_s."""
    flood = Flood()
    for pid in range(4):
        assert flood.refusal("a", 0.0, 6, 4, 10) == ""
        flood.started(pid, "a", 0.0)
    assert flood.refusal("a", 1.0, 6, 4, 10) == "a: per source limit reached"
    assert flood.refusal("b", 1.0, 6, 4, 10) == ""
    flood.started(10, "b", 1.0)
    flood.started(11, "b", 1.0)
    assert flood.refusal("c", 1.0, 6, 4, 10) == "c: sessions limit reached"
    flood.ended(0)
    assert flood.living() == 5
    assert flood.refusal("a", 9.9, 6, 4, 10) == "a: per source limit reached"  # gone, but counted
    assert flood.refusal("a", 10.0, 6, 4, 10) == ""
    flood.ended(99)  # not a session


def test_log_is_not_flooded() -> None:
    """A line is logged once in min_delay_s, and a flood of sources does not fill memory."""
    flood = Flood()
    assert [flood.may_log("x", now, 10) for now in (0.0, 1.0, 9.9, 10.0, 11.0)] == [True, False, False, True, False]
    allowed = sum(flood.may_log(f"{i}", 11.0, 10) for i in range(5 * _LOGGED))
    assert allowed == _LOGGED - 1
    assert flood.may_log("y", 30.0, 10)

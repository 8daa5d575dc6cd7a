"""Dropping privileges over a kernel that is made up, so that it can lie: nothing is believed that was not asked for again."""

from __future__ import annotations

import pytest

from popa3d.root import libc, privileges
from popa3d.root.privileges import NotDropped


class Kernel:
    """Ids as Linux keeps them.

    broken: a call that says it has worked, and has not. wrong: one that sets the last id to another. gives_back: one that
    gives root back.
    """

    def __init__(self, broken: str = "", wrong: str = "", gives_back: str = "") -> None:
        self.wrong = wrong
        self.uids, self.gids, self.groups = [0, 0, 0], [0, 0, 0], [0, 8]
        self.broken, self.gives_back = broken, gives_back
        self.dumpable = 1
        self.calls: list[str] = []

    def _set(self, call: str, ids: list[int], new: tuple[int, ...]) -> None:
        self.calls.append(f"{call} {new}")
        if call == self.broken:
            return
        if 0 not in self.uids and call != self.gives_back and not all(one in (-1, *ids) for one in new):
            raise PermissionError
        if call == self.gives_back and 0 not in self.uids:
            return
        if call == "setresuid" and new[1] != ids[1]:
            self.dumpable = 1  # as with fs.suid_dumpable = 1
        ids[:] = [old if one == -1 else one for old, one in zip(ids, new, strict=True)]
        if call == self.wrong and ids[2]:
            ids[2] = 5

    def setgroups(self, groups: list[int]) -> None:
        self.calls.append(f"setgroups {groups}")
        if 0 not in self.uids and self.gives_back != "setgroups":
            raise PermissionError
        if self.broken != "setgroups" and 0 in self.uids:
            self.groups = [5] if self.wrong == "setgroups" else groups

    def setresuid(self, *new: int) -> None:
        self._set("setresuid", self.uids, new)

    def setresgid(self, *new: int) -> None:
        self._set("setresgid", self.gids, new)

    def setuid(self, uid: int) -> None:
        self._set("setuid", self.uids, (uid,) * 3)

    def setgid(self, gid: int) -> None:
        self._set("setgid", self.gids, (gid,) * 3)

    def getresuid(self) -> tuple[int, ...]:
        return tuple(self.uids)

    def getresgid(self) -> tuple[int, ...]:
        return tuple(self.gids)

    def getgroups(self) -> list[int]:
        return self.groups

    def prctl(self, option: int, value: int = 0) -> int:
        """The option that matters here is whether the process is dumpable."""
        if option == libc.PR_SET_DUMPABLE and self.broken != "prctl":
            self.dumpable = value
        return self.dumpable if option == libc.PR_GET_DUMPABLE else 0


def become(monkeypatch: pytest.MonkeyPatch, kernel: Kernel, uid: int = 1000, gid: int = 1001) -> None:
    """privileges.become on that kernel."""
    monkeypatch.setattr(privileges, "os", kernel)
    monkeypatch.setattr(libc, "prctl", kernel.prctl)
    privileges.become(uid, gid)


def test_become(monkeypatch: pytest.MonkeyPatch) -> None:
    """All ids are the user's, the groups are gone, the process is undumpable, and each way back was tried."""
    kernel = Kernel()
    become(monkeypatch, kernel)
    assert (kernel.uids, kernel.gids, kernel.groups, kernel.dumpable) == ([1000] * 3, [1001] * 3, [], 0)
    assert kernel.calls[-4:] == ["setuid (0, 0, 0)", "setresuid (-1, 0, -1)", "setgid (0, 0, 0)", "setgroups [0]"]


@pytest.mark.parametrize(("uid", "gid"), [(0, 1001), (1000, 0), (0, 0), (-1, 1001), (1000, -1)])
def test_never_root(monkeypatch: pytest.MonkeyPatch, uid: int, gid: int) -> None:
    """Nobody becomes uid 0 or group 0, or what setresuid(2) takes for "as it is"; nothing is done then."""
    kernel = Kernel()
    with pytest.raises(NotDropped):
        become(monkeypatch, kernel, uid, gid)
    assert kernel.calls == []


@pytest.mark.parametrize("call", ["setgroups", "setresuid", "setresgid", "prctl"])
def test_a_call_that_did_nothing(monkeypatch: pytest.MonkeyPatch, call: str) -> None:
    """A kernel that says yes and changes nothing is found out."""
    with pytest.raises(NotDropped):
        become(monkeypatch, Kernel(broken=call))


@pytest.mark.parametrize("call", ["setgroups", "setresuid", "setresgid"])
def test_a_call_that_did_something_else(monkeypatch: pytest.MonkeyPatch, call: str) -> None:
    """An id or a group that is neither root's nor the user's is found out."""
    with pytest.raises(NotDropped):
        become(monkeypatch, Kernel(wrong=call))


@pytest.mark.parametrize("call", ["setuid", "setresuid", "setgid", "setgroups"])
def test_a_way_back(monkeypatch: pytest.MonkeyPatch, call: str) -> None:
    """If one of the ways back to root is open, the process does not go on."""
    with pytest.raises(NotDropped):
        become(monkeypatch, Kernel(gives_back=call))

"""What must be true of deliveries, sessions and what is left in the end. Pure."""

from __future__ import annotations

import graphlib
import itertools
from collections import Counter, defaultdict

from tests.soak import Delivery, Visit


class Judge:
    """Finds `faults` in a history; names of messages throughout (Visit's unique-ids have been replaced)."""

    def __init__(self, deliveries: list[Delivery], visits: list[Visit], left: list[str]) -> None:
        self.deliveries = {delivery.name: delivery for delivery in deliveries}
        self.visits = visits
        self.left = Counter(left)
        self.faults: list[str] = []
        self.removers: dict[str, list[Visit]] = defaultdict(list)
        for visit in visits:
            for name in visit.deleted:
                if visit.outcome != "kept":
                    self.removers[name].append(visit)
        self._known()
        self._once()
        self._seen()
        self._order([*(visit.seen for visit in visits), left])
        self._all_or_nothing()

    def _known(self) -> None:
        """Nothing is there that was not delivered; nothing was damaged, nothing doubled."""
        for visit in self.visits:
            self.faults += [f"damaged: {what}" for what in visit.damaged]
            self.faults += [f"seen twice in a session: {name}" for name, n in Counter(visit.seen).items() if n > 1]
        for name in {name for visit in self.visits for name in visit.seen} | set(self.left):
            if name not in self.deliveries:
                self.faults.append(f"never delivered: {name}")

    def _once(self) -> None:
        """A message has one end: a QUIT with +OK took it, or it is left, once."""
        for name in self.deliveries:
            ends = sum(visit.outcome == "deleted" for visit in self.removers[name]) + self.left[name]
            if ends > 1:
                self.faults.append(f"has {ends} ends, of which left {self.left[name]}: {name}")

    def _seen(self) -> None:
        """A session sees what was delivered before it, but for what others may have removed; and nothing that came later, or
        was gone.
        """
        for visit in self.visits:
            seen = set(visit.seen)
            for name, delivery in self.deliveries.items():
                removers = self.removers[name]
                if name in seen:
                    if delivery.begin > visit.inside:
                        self.faults.append(f"seen before it was delivered: {name}")
                    if any(other.outcome == "deleted" and other.end < visit.login for other in removers):
                        self.faults.append(f"came back: {name}")
                elif visit.listed and delivery.sure and delivery.done < visit.login < visit.inside:
                    self.faults += [f"not seen: {name}"] if all(other.quit > visit.inside for other in removers) else []

    def _order(self, lists: list[list[str]]) -> None:
        """There is one order of all messages that every session has seen, and each deliverer's own messages have theirs."""
        sorter: graphlib.TopologicalSorter[str] = graphlib.TopologicalSorter()
        mine: dict[str, str] = {}
        for name, delivery in self.deliveries.items():
            who = name.rpartition("-")[0]
            if delivery.sure and who in mine:
                sorter.add(name, mine[who])
            mine[who] = name
        for names in lists:
            for before, after in itertools.pairwise(names):
                sorter.add(after, before)
        try:
            sorter.prepare()
        except graphlib.CycleError as error:
            self.faults.append(f"order: {error.args[1]}")

    def _all_or_nothing(self) -> None:
        """What nobody is known to have removed was removed by killed sessions, each all of its messages or none."""
        missing = set()
        for name, delivery in self.deliveries.items():
            ended = self.left[name] or any(visit.outcome == "deleted" for visit in self.removers[name])
            if not ended and (delivery.sure or any(name in visit.seen for visit in self.visits)):
                missing.add(name)
        possible = []
        for visit in self.visits:
            names = frozenset(visit.deleted)
            later = (other.seen for other in self.visits if other.login > visit.end)
            if visit.outcome == "unknown" and names and names <= missing and all(names.isdisjoint(seen) for seen in later):
                possible.append(names)
        if not _covered(missing, possible):
            lost = missing - {name for names in possible for name in names}
            self.faults.append(f"lost: {sorted(lost)}" if lost else f"removed in part: {sorted(missing)}")


def _covered(missing: set[str], possible: list[frozenset[str]]) -> bool:
    """Whether some of the sets have exactly what is missing, each item once."""
    if not missing:
        return True
    one = min(missing)
    return any(one in names and names <= missing and _covered(missing - names, possible) for names in possible)

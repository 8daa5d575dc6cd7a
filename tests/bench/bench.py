"""What every measurement needs: the doors, mailboxes, and how often to measure."""

from __future__ import annotations

from pathlib import Path

from tests.bench import mail
from tests.bench.servers import Door, Place
from tests.host import Account

_FULL_NEEDS_KB = 10_000_000  # the large archive, a copy of it for each server, and what they make of it


class Bench:
    """place, doors: see servers. quick: fewer rounds, smaller mailboxes."""

    def __init__(self, place: Place, doors: list[Door], quick: bool) -> None:
        self.place = place
        self.doors = doors
        self.quick = quick
        self.archives = [(20_000, 6000)]
        if not quick and _available_kb() > _FULL_NEEDS_KB:
            self.archives.append((100_000, 11_000))
        self.clients = (1, 16) if quick else (1, 4, 16)  # at once
        self._made = place.host.base / "made"
        self._made.mkdir()

    def rounds(self, full: int, quick: int) -> int:
        """How many."""
        return quick if self.quick else full

    def at(self, how: str) -> list[Door]:
        """One door for each server: popa3d and C popa3d as `how` says, and Dovecot."""
        return [door for door in self.doors if door.how in (how, "")]

    def made(self, messages: int, octets: int, signed: bool = False) -> Path:
        """A mailbox of so many messages of so many octets each; only the last that was asked for is kept, and small ones."""
        path = self._made / f"{messages}x{octets}{'s' * signed}"
        if not path.exists():
            for other in self._made.iterdir():
                if other.stat().st_size > 1_000_000:
                    other.unlink()
            mail.write(path, messages, octets, signed=signed)
        return path

    def deliver(self, account: Account, messages: int, octets: int, signed: bool = False) -> Path:
        """Make such a mailbox the account's; its path."""
        return mail.deliver(self.made(messages, octets, signed), account)

    def deliver_small(self) -> None:
        """The mailboxes of the polls: 10 messages, 40 kB, for all accounts."""
        self.clean_spool()
        for door in self.doors:
            for account in door.accounts:
                self.deliver(account, 10, 4000)

    def clean_spool(self) -> None:
        """Remove all mailboxes: the spool is in memory."""
        for path in self.place.host.spool.iterdir():
            path.unlink()


def _available_kb() -> int:
    for line in Path("/proc/meminfo").read_text().splitlines():
        if line.startswith("MemAvailable:"):
            return int(line.split()[1])
    return 0

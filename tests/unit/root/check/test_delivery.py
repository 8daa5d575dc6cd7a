"""Delivery agents and their locks: the table is the manual page's, and Postfix's own file counts."""

from __future__ import annotations

import re
from pathlib import Path
from unittest import mock

import pytest

from popa3d.root.check import delivery
from popa3d.shared.settings import Settings
from tests.host import CHECKOUT


def test_table() -> None:
    """The agents, and what they take in this order, are those of popa3d.toml(5)."""
    manual = (CHECKOUT / "man/popa3d.toml.5").read_text().partition(".Sh LOCKS OF")[2]
    rows = re.findall(r'^\.It "?(.*?)"? Ta (.*?) Ta Li', manual, re.M)
    assert [(name.partition(" (")[0], takes.replace("dot-lock", "dotlock").split(", ")) for name, takes in rows] == [
        (agent.name, list(agent.locks)) for agent in delivery.AGENTS
    ]


@pytest.mark.parametrize(
    ("text", "level", "part"),
    [
        ("mailbox_delivery_lock = flock, dotlock\n", "fault", "takes flock and dotlock (MAIN)"),
        ("mailbox_delivery_lock = flock\nmailbox_delivery_lock =\n  fcntl,\n  dotlock\n", "ok", "takes fcntl and dotlock (MAIN)"),
        ("#mailbox_delivery_lock = flock\n", "ok", "by default"),
        ("mailbox_delivery_lock =\n", "fault", "takes no lock (MAIN)"),
        (None, "ok", "by default"),
    ],
    ids=range(5),
)
def test_postfix(tmp_path: Path, text: str | None, level: str, part: str) -> None:
    """main.cf decides, if it says anything."""
    main = tmp_path / "main.cf"
    if text is not None:
        main.write_text(text)
    agents = (delivery.Agent("Postfix", (str(tmp_path),), ("fcntl", "dotlock")),)
    with mock.patch.object(delivery, "_MAIN_CF", str(main)), mock.patch.object(delivery, "AGENTS", agents):
        (told,) = delivery.look(Settings())
    assert told.level == level and part in told.text.replace(str(main), "MAIN")

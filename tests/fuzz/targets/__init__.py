"""The targets, by name."""

from __future__ import annotations

from tests.fuzz.targets import conversation, journals, kept, mailbox, proxy, records, texts

_EVERY = [target for module in (conversation, proxy, records, mailbox, journals, kept, texts) for target in module.TARGETS]
TARGETS = {target.name: target for target in _EVERY}
assert len(TARGETS) == len(_EVERY), "two targets have one name"

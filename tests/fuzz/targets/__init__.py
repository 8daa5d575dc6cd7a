"""The targets, by name."""

from __future__ import annotations

from tests.fuzz.targets import conversation, journals, kept, mailbox, records, texts

TARGETS = {target.name: target for module in (conversation, records, mailbox, journals, kept, texts) for target in module.TARGETS}

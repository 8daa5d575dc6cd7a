"""All mutations. A module here has those of one folder of lib/popa3d, or of some of its modules."""

from __future__ import annotations

from tests.mutants.tables import dotlock, listen, mailbox, owner, root, shared, update, wire

MUTATIONS = (
    *shared.MUTATIONS,
    *wire.MUTATIONS,
    *root.MUTATIONS,
    *listen.MUTATIONS,
    *owner.MUTATIONS,
    *mailbox.MUTATIONS,
    *dotlock.MUTATIONS,
    *update.MUTATIONS,
)

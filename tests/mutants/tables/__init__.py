"""All mutations. A module here has those of one room of lib/popa3d, of some of its modules, or of what these do together."""

from __future__ import annotations

from tests.mutants.tables import (
    census,
    check,
    conversation,
    documents,
    dotlock,
    index,
    journal,
    listen,
    mailbox,
    moving,
    owner,
    pam,
    records,
    recover,
    root,
    scale,
    shared,
    state,
    tls,
    update,
)

MUTATIONS = (
    *shared.MUTATIONS,
    *records.MUTATIONS,
    *conversation.MUTATIONS,
    *root.MUTATIONS,
    *pam.MUTATIONS,
    *listen.MUTATIONS,
    *owner.MUTATIONS,
    *index.MUTATIONS,
    *mailbox.MUTATIONS,
    *dotlock.MUTATIONS,
    *update.MUTATIONS,
    *journal.MUTATIONS,
    *state.MUTATIONS,
    *recover.MUTATIONS,
    *moving.MUTATIONS,
    *tls.MUTATIONS,
    *census.MUTATIONS,
    *check.MUTATIONS,
    *documents.MUTATIONS,
    *scale.MUTATIONS,
)

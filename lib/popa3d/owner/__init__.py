"""The mailbox owner's program: mbox parsing, file access, UIDL, TRANSACTION and UPDATE.

Runs as: the mailbox owner.
Trusts: the kernel and root's record; not the client, not the mailbox, nor who else writes it.
"""

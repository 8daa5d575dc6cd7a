"""For popa3d-migrate: the unique-ids that other servers have written into a mailbox, or have answered about it.

Runs as: the mailbox owner.
Trusts: nobody; mail can forge all that is read here, so what contradicts itself, or the old server's own rules, does not count.
"""

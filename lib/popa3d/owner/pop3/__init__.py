"""What the mailbox owner's program says to the client: the TRANSACTION state.

Runs as: the mailbox owner.
Trusts: nobody.
"""

"""The mailbox as messages: octets in, an index out. Pure: no I/O, no clock.

Runs as: the mailbox owner.
Trusts: nobody.
"""

"""The UPDATE state: messages are removed so that no crash loses any.

Runs as: the mailbox owner, with the mailbox locked exclusively.
Trusts: nobody.
"""

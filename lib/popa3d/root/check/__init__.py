"""popa3d-check: what is wrong with the host, or why a user gets no mail.

Runs as: root; a mailbox is looked at by a process of its owner's.
Trusts: the administrator.
"""

"""All that runs as root: the sequence of a session, PAM, and giving privileges up. `cat` it: that is the audit.

Runs as: root.
Trusts: the kernel, the administrator's files, PAM. Not the client, not the pre-auth child, not the mailbox's owner.
"""

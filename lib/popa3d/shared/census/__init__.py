"""Which processes of the host are sessions, asked of the kernel; no file is kept.

Runs as: the operator (root sees all sessions, others their own), and root where the administrator limits sessions.
Trusts: the kernel; of other processes' names and arguments nothing, they can be made up.
"""

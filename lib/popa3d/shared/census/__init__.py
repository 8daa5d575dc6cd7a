"""Which processes of the host are sessions: asked of the kernel, without any file of popa3d's own.

Runs as: the operator, and root where the administrator limits sessions.
Trusts: the kernel; the names and arguments of processes can be made up.
"""

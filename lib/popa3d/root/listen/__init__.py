"""popa3d -D: an inetd of its own, which starts exactly the session that a super-server would.

Runs as: root, only with -D.
Trusts: the kernel and the administrator; of a peer it knows the address, and nothing is read from it here.
"""

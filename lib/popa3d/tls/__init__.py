"""TLS between the client and the rest of a session, in a process that can do nothing else.

Runs as: popa3d-tls, chrooted to an empty directory.
Trusts: nobody.
"""

"""popa3d, a POP3 server with privilege separation.

Runs as: any uid (nothing is executed here).
Trusts: nothing.
"""

VERSION = "2.0.0"
DATE = "2026-11-23"

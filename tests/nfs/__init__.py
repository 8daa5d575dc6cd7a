"""Two hosts with one spool over NFS, for `make nfs`: Linux's own NFS client and server, in a kernel that is a process.

Debian's user-mode-linux runs that kernel with this machine's files, which it can only read. In it are a server and two mounts,
each from a network and with a host name of its own, so that the server has two clients, with two caches. What the machine's own
kernel can do does not matter. The tests (claims.py) run in there too. Only x86 has such a kernel.
"""

from pathlib import Path

PLACE = Path("/srv")  # in that kernel: a file system in memory
EXPORTED = PLACE / "exported"
MOUNTS = {"a": PLACE / "a", "b": PLACE / "b"}  # what each host has of it
SQUASHED = PLACE / "squashed"  # a's view of the same, where root is nobody
LEASE_S = 10  # the shortest that the kernel allows

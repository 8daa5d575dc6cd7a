"""The owner's program for a process that forks it (popa3d-starter): with all that a session may ever load.

So an upgrade while sessions run cannot mix modules of two versions, and a session opens no file of the library.

Runs as: the mailbox owner; its modules are loaded by root's process, which runs nothing of them.
Trusts: see session.
"""

from ..shared import dotlock  # noqa: F401 - here and below: they only have to be there
from ..shared.limits import KEPT_OCTETS
from . import session
from .index import copies, dense, id_map, metadata, packing, remaining  # noqa: F401
from .mailbox import halves, indexing, kept_index, kept_map, locker_client, locks  # noqa: F401
from .pop3 import loop  # noqa: F401
from .update import full_disk, name_journal, recovery, removal  # noqa: F401

session.is_complete = True
bytes(KEPT_OCTETS)  # as in session.main
serve = session.serve

"""The mailbox as messages: octets in, an index out. Pure: no I/O, no clock.

Here: the mbox format, as C popa3d 1.0.3 reads it (mailbox.c).

A message starts at a line "From " that is first in the file or follows an empty line. That line is not part of it. One
empty line before the next "From " line, or at the end of the file, belongs to the separator if the message has a body.

Two kinds of mailboxes are accepted here but not by C popa3d: those with empty lines before the first "From " line,
and those whose lines end in CRLF throughout (the first "From " line decides). In any mailbox a CRLF counts as one line end.

Runs as: the mailbox owner.
Trusts: nobody.
"""

FROM = b"From "
LF_SEPARATOR = b"\n\nFrom "  # the end of a line, an empty line, and the next message's first octets
CRLF_SEPARATOR = b"\n\r\nFrom "

FROM_LINE_OCTETS = len(b"From \n")  # of the shortest "From " line
MESSAGE_OCTETS = len(b"From \nX")  # of the shortest message

METADATA_SUBJECT = b"DON'T DELETE THIS MESSAGE -- FOLDER INTERNAL DATA"  # see metadata.py

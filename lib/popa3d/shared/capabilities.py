"""What the server can do, as CAPA lists it: RFC 2449. In both states with the same words.

Left out: EXPIRE NEVER, since the host may delete old mail by other programs, and popa3d cannot know; IMPLEMENTATION, which
tells attackers more than clients; LOGIN-DELAY, since there is none. STLS will be one more row.

Runs as: any uid.
Trusts: nobody.
"""

from .replies import END

# RFC 2449 section 5: a tag and its parameters a line, without trailing blanks. What is here must be there after the login
# too, so USER and SASL are in both.
_TAGS = (
    b"TOP",  # RFC 2449 section 6.1
    b"UIDL",  # 6.8
    b"RESP-CODES",  # 6.4: no text begins with "[" unless it is a response code
    b"AUTH-RESP-CODE",  # RFC 3206 section 6: [AUTH] is said, and only where the user is at fault
    b"PIPELINING",  # RFC 2449 section 6.6: several commands at a time are answered in their order
    b"USER",  # 6.2
    b"SASL PLAIN",  # 6.3 and RFC 5034
)

LIST = b"+OK capability list follows\r\n" + b"".join(tag + b"\r\n" for tag in _TAGS) + END

"""What the server can do, as CAPA lists it: RFC 2449. In both states with the same words.

Left out: EXPIRE NEVER, since the host may delete old mail by other programs, and popa3d cannot know; IMPLEMENTATION, which
tells attackers more than clients; LOGIN-DELAY, since there is none.

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
)
_LOGIN_TAGS = (
    b"USER",  # 6.2
    b"SASL PLAIN",  # 6.3 and RFC 5034
)
_STLS = b"STLS"  # RFC 2595 section 4: only before the login


class Offer:
    """What a session offers before the login. stls: it can be given TLS. tls: it has TLS. logins: USER, PASS and AUTH."""

    __slots__ = ("logins", "stls", "tls")

    def __init__(self, stls: bool = False, tls: bool = False, logins: bool = True) -> None:
        self.stls = stls
        self.tls = tls
        self.logins = logins


def listing(offer: Offer) -> bytes:
    """The reply to CAPA."""
    tags = _TAGS + (_LOGIN_TAGS if offer.logins else ()) + ((_STLS,) if offer.stls else ())
    return b"+OK capability list follows\r\n" + b"".join(tag + b"\r\n" for tag in tags) + END


# After a login all is as it must have been for that.
LIST = listing(Offer())

"""What the tests of the TRANSACTION state begin with."""

from tests.unit.owner.pop3.maildrops import served

__all__ = ["served"]

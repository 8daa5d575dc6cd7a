"""POP3 commands, RFC 1939 section 3 and RFC 2449 section 4: the words of a line, and the numbers among them.

Runs as: any uid.
Trusts: nobody; shared.lines bounds what is kept of a line.
"""

from .limits import ARGUMENT_OCTETS, AUTH_LINE_OCTETS, LINE_OCTETS, NAME_OCTETS, NUMBER_MAX

_DIGITS = len(str(NUMBER_MAX))  # a number with fewer is surely below


class Command:
    """One command: its keyword in upper case, and its arguments as bytes, without the spaces between them."""

    __slots__ = ("arguments", "keyword")

    def __init__(self, keyword: bytes, arguments: list[bytes]) -> None:
        self.keyword = keyword
        self.arguments = arguments


def parse(line: bytes) -> Command | None:
    """The command in `line`, or None if it is none.

    Words are separated by exactly one space, one may follow the last; a NUL anywhere makes the line invalid, and so do a
    line and a word that are too long for their keyword. PASS has one argument: all that follows its space (RFC 1939 section 7).
    So has AUTH, in whose response a blank must be seen.
    """
    keyword, _, rest = line.partition(b" ")
    keyword = keyword.upper()
    if not keyword or b"\0" in line or is_too_long(line):
        return None
    if keyword in (b"PASS", b"AUTH"):
        return Command(keyword, [rest] if rest else [])
    words = rest.split(b" ")
    if not words[-1]:
        words.pop()
    longest = NAME_OCTETS if keyword == b"USER" else ARGUMENT_OCTETS
    for word in words:
        if not 0 < len(word) <= longest:
            return None
    return Command(keyword, words)


def is_too_long(line: bytes) -> bool:
    """Whether a command line exceeds what a line may have: LINE_OCTETS, or AUTH_LINE_OCTETS for AUTH."""
    return len(line) > LINE_OCTETS and (len(line) > AUTH_LINE_OCTETS or line[:5].upper() != b"AUTH ")


def parse_number(word: bytes) -> int | None:
    """The decimal number that `word` is, 0 to NUMBER_MAX, or None.

    As strtol(3) reads it, which C popa3d uses: a sign and leading zeros are fine, and so is leading white space other
    than the space that separates words.
    """
    if word.isdigit() and len(word) < _DIGITS:
        return int(word)
    digits = word.lstrip(b"\t\v\f\r")
    negative = digits.startswith(b"-")
    if digits[:1] in (b"+", b"-"):
        digits = digits[1:]
    if not digits.isdigit():
        return None
    number = int(digits)  # bounded: a word has at most ARGUMENT_OCTETS
    if number > NUMBER_MAX or (negative and number):
        return None
    return number

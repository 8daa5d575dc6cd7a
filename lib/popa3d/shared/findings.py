"""What popa3d-check finds, and how the owner's process tells root of it: as JSON on a pipe, of which root believes the form only.

Runs as: the mailbox owner, or root's process that asks it.
Trusts: nobody; whoever owns the mailbox decides what the report says, and nothing but what it says.
"""

import json

from .limits import FINDINGS, FINDINGS_OCTETS, LOG_TEXT_OCTETS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

# All is well; something that should be known; something that has to be done.
OK, NOTE, FAULT = LEVELS = ("ok", "note", "fault")

# What the owner's process may speak of, and the numbers that it may tell.
SUBJECTS = ("mailbox", "lock", "journal", "messages", "map")
NUMBERS = ("messages", "octets", "equal_ids", "old_ids", "offset", "line", "pid", "mode", "owner", "group")
_NUMBER_MOST = 2**63


class Finding:
    """One thing that was looked at.

    level: of LEVELS. subject: a word for programs. text: what is there. advice: what to do; empty if nothing is. numbers: for
    programs.
    """

    __slots__ = ("advice", "level", "numbers", "subject", "text")

    def __init__(self, level: str, subject: str, text: str, advice: str = "", **numbers: int) -> None:
        self.level = level
        self.subject = subject
        self.text = printable(text)
        self.advice = printable(advice)
        self.numbers = numbers


def printable(text: str) -> str:
    """Printable ASCII, cut: names and mail come from others, and a terminal obeys control characters."""
    return "".join(c if " " <= c <= "~" else "?" for c in text[: 2 * LOG_TEXT_OCTETS])


def encode(findings: "Iterable[Finding]") -> bytes:
    """What the owner's process writes."""
    rows = [[each.level, each.subject, each.text, each.advice, each.numbers] for each in findings]
    return json.dumps(rows[:FINDINGS]).encode()


def decode(data: bytes) -> list[Finding] | None:
    """The findings in a report; None if it is not one that the owner's process of this version would write."""
    if len(data) > FINDINGS_OCTETS:
        return None
    try:
        rows = json.loads(data)
    except (ValueError, RecursionError):
        return None
    if not isinstance(rows, list) or not 0 < len(rows) <= FINDINGS:
        return None
    findings = [_finding(row) for row in rows]
    return None if None in findings else [each for each in findings if each is not None]


def _finding(row: object) -> Finding | None:
    if not isinstance(row, list) or len(row) != 5 or not all(isinstance(word, str) for word in row[:4]):
        return None
    level, subject, text, advice, numbers = row
    if level not in LEVELS or subject not in SUBJECTS or not isinstance(numbers, dict) or not set(numbers) <= set(NUMBERS):
        return None
    if not all(type(number) is int and 0 <= number < _NUMBER_MOST for number in numbers.values()):
        return None
    return Finding(level, subject, text, advice, **numbers)

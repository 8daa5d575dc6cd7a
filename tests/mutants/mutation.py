"""What a mutation is, and which of them there are."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple


class Mutation(NamedTuple):
    """One line made wrong.

    path: of a program or module in the checkout, below lib, bin or packaging. before: a part of its text that is there exactly
    once (more of the lines around it, if need be). after: what takes its place. tests: node ids of pytest, of which at least
    one must fail then; all must pass without the mutation. why: what a user, an administrator or an attacker would see of it.
    """

    path: str
    before: str
    after: str
    tests: tuple[str, ...]
    why: str

    def place(self, checkout: Path) -> str:
        """File and line, for people; the file alone where the text is not."""
        text = (checkout / self.path).read_text() if (checkout / self.path).exists() else ""
        line = text[: text.find(self.before)].count("\n") + 1
        return f"{self.path.removeprefix('lib/popa3d/')}{f':{line}' if self.before in text else ''}"

    def mutated(self, checkout: Path) -> str:
        """The text of the file with the mutation; ValueError, which says why, if it does not apply."""
        if not self.path.startswith(("lib/", "bin/", "packaging/")) or not (checkout / self.path).is_file():
            raise ValueError(f"there is no {self.path}")
        text = (checkout / self.path).read_text()
        times = text.count(self.before)
        if times != 1:
            raise ValueError(f"does not apply: its text is there {times} times" if times else "does not apply any more")
        changed = text.replace(self.before, self.after)
        try:
            if compile(text, "", "exec") == compile(changed, "", "exec"):
                raise ValueError("changes nothing")
        except SyntaxError as error:
            raise ValueError(f"makes no program: {error}") from None
        return changed


def wrong(path: str, before: str, after: str, why: str, *tests: str) -> Mutation:
    """A Mutation, in the order in which tables are read best; `path` is below lib/popa3d, or begins with bin/ or packaging/."""
    return Mutation(path if path.startswith(("bin/", "packaging/")) else f"lib/popa3d/{path}", before, after, tests, why)

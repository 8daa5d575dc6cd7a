"""What the workers of the tests have in common is made by one of them."""

from __future__ import annotations

from pathlib import Path
from threading import Thread

import pytest

from tests import parallel


def test_once(tmp_path: Path) -> None:
    """The first one makes it while the others wait for it."""
    place = tmp_path / "made"
    made = []

    def want() -> None:
        with parallel.once(place) as making:
            if making is not None:
                made.append(making)
                (making / "file").write_text("complete")
        assert (place / "file").read_text() == "complete"

    workers = [Thread(target=want) for _ in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert len(made) == 1


def test_what_was_not_completed(tmp_path: Path) -> None:
    """What one began and could not complete another one makes anew."""
    place = tmp_path / "made"

    def begin() -> None:
        with parallel.once(place) as making:
            assert making is not None
            (making / "half").touch()
            raise OSError("full")

    with pytest.raises(OSError, match="full"):
        begin()
    assert not place.exists()
    with parallel.once(place) as making:
        assert making is not None and not list(making.iterdir())
    assert place.is_dir()

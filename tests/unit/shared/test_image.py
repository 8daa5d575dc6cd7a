"""popa3d.shared.image and bin/popa3d-images: the image is what the modules are, or it is not used."""

from __future__ import annotations

import marshal
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from popa3d.shared.image import Image

CHECKOUT = Path(__file__).resolve().parents[3]
PYTHON = ["/usr/bin/python3", "-IBS"]
ENTRIES = {
    "popa3d": ("root.start", "preauth.loop", "root.authentication", "root.pam.adapter"),
    "popa3d-session": ("owner.session", "owner.pop3.loop"),
}
REPLIES = "popa3d/shared/replies.py"
FROM_IMAGE, FROM_FILE = "_Loaded", "SourceFileLoader"

# Of each of popa3d's modules: what the import system knows of it, and the names that it has.
SHOW = """
for name, module in sorted(sys.modules.items()):
    if name.partition(".")[0] == "popa3d":
        spec = module.__spec__
        print(name, module.__name__, module.__file__, module.__package__, getattr(module, "__path__", None), spec.name,
              spec.origin, spec.parent, spec.has_location, list(spec.submodule_search_locations or ()), spec.cached,
              [part for part in sorted(vars(module)) if part not in ("__doc__", "__cached__")])
"""
LOADERS = """
for name, module in sys.modules.items():
    if name.partition(".")[0] == "popa3d":
        loader = module.__loader__
        print(name, loader.__name__ if type(loader) is type else type(loader).__name__)
"""


@pytest.fixture
def library(tmp_path: Path) -> Path:
    """A copy of the library, with images."""
    copy = tmp_path / "lib"
    shutil.copytree(CHECKOUT / "lib", copy, ignore=shutil.ignore_patterns("__pycache__", "*.image"))
    subprocess.run([*PYTHON, CHECKOUT / "bin/popa3d-images", copy], check=True)
    return copy


def ran(library: Path, program: str, code: str) -> list[str]:
    """What `code` prints where the program would import the first of its modules."""
    text = (CHECKOUT / "bin" / program).read_text()
    start = text.index('LIBRARY = HERE + "/../lib"')
    begin = (
        text[:start].replace("__file__", "''") + f"LIBRARY = {str(library)!r}" + text[start + 26 : text.index("\nfrom popa3d.")]
    )
    done = subprocess.run([*PYTHON, "-c", f"{begin}\n{code}"], capture_output=True, text=True, check=True)
    return done.stdout.splitlines()


def imports(*entries: str) -> str:
    """Code that imports them."""
    return "".join(f"import popa3d.{entry}\n" for entry in entries)


def loaders(library: Path, program: str = "popa3d-session", code: str = imports("owner.session", "owner.pop3.loop")) -> set[str]:
    """By what a program's modules were loaded."""
    return {line.split()[1] for line in ran(library, program, code + LOADERS)}


@pytest.mark.parametrize("program", ENTRIES)
def test_as_without(library: Path, program: str) -> None:
    """With an image a program has the same modules, and they have the same names and attributes, as without one."""
    code = imports(*ENTRIES[program])
    assert loaders(library, program, code) == {FROM_IMAGE}
    found = ran(library, program, code + SHOW)
    (library / f"{program}.image").unlink()
    assert loaders(library, program, code) == {FROM_FILE}
    assert found == ran(library, program, code + SHOW) and len(found) > 20


def test_sections(library: Path) -> None:
    """What is imported later is loaded then, and what is not in the image in the usual way."""
    code = "import popa3d.root.start\nprint('popa3d.preauth.loop' in sys.modules)\nimport popa3d.preauth.loop\n"
    code += (
        "import popa3d.root.locker as it\nprint(type(it.__loader__).__name__, popa3d.root.locker is it, popa3d.root.start.main)"
    )
    first, second = ran(library, "popa3d", code)
    assert first == "False" and second.startswith(f"{FROM_FILE} True <function main")


def test_moved(library: Path, tmp_path: Path) -> None:
    """A copy of the library with its image is used as it is, and looks at its own files."""
    copy = tmp_path / "copy"
    shutil.copytree(library, copy)
    shutil.rmtree(library)
    assert loaders(copy) == {FROM_IMAGE}
    assert ran(copy, "popa3d-session", "import popa3d\nprint(popa3d.__file__)") == [str(copy / "popa3d/__init__.py")]


def _rewrite(path: Path) -> None:
    """Other content of the same size, at another time."""
    text = path.read_text().replace('b"+OK\\r\\n"', 'b"+KO\\r\\n"')
    time_ns = path.stat().st_mtime_ns + 1
    path.write_text(text)
    os.utime(path, ns=(time_ns, time_ns))


def _grow(path: Path) -> None:
    """Other content of another size, at the same time."""
    time_ns = path.stat().st_mtime_ns
    path.write_text(path.read_text() + 'OK = b"+KO\\r\\n"\n')
    os.utime(path, ns=(time_ns, time_ns))


@pytest.mark.parametrize("change", [_rewrite, _grow])
def test_of_other_sources(library: Path, change: object) -> None:
    """If one source file is not the one that the image was made of, nothing of the image is used."""
    assert callable(change)
    change(library / REPLIES)
    code = imports("owner.session", "owner.pop3.loop")
    assert loaders(library) == {FROM_FILE}
    assert ran(library, "popa3d-session", code + "print(popa3d.shared.replies.OK)") == ["b'+KO\\r\\n'"]


def test_source_removed(library: Path) -> None:
    """A module whose source file is gone is not imported from the image."""
    (library / REPLIES).unlink()
    code = "try:\n    import popa3d.owner.session\nexcept ImportError as error:\n    print(error.name)"
    assert ran(library, "popa3d-session", code) == ["popa3d.shared"]


def test_changed_meanwhile(library: Path) -> None:
    """A section whose sources have changed since the program began is not used, nor one after it."""
    path = library / "popa3d/preauth/sasl.py"
    code = f"import popa3d.root.start\nwith open({str(path)!r}, 'a') as file:\n    file.write('NEW = 1\\n')\n"
    code += f"{imports('preauth.loop', 'root.authentication')}print(popa3d.preauth.sasl.NEW)"
    code += "\nprint(type(popa3d.root.authentication.__loader__).__name__, popa3d.root.start.__loader__.__name__)"
    assert ran(library, "popa3d", code) == ["1", f"{FROM_FILE} {FROM_IMAGE}"]


@pytest.mark.parametrize(
    "spoil",
    [
        lambda image: b"",
        lambda image: image[:3],
        lambda image: image[:-1],
        lambda image: image + b"\0",
        lambda image: bytes([image[0] ^ 1]) + image[1:],
        lambda image: bytes(len(image)),
    ],
)
def test_not_whole(library: Path, spoil: object) -> None:
    """An image that is not whole, or of another Python, is not used."""
    assert callable(spoil)
    path = library / "popa3d-session.image"
    path.write_bytes(spoil(path.read_bytes()))
    assert loaders(library) == {FROM_FILE}


def test_the_same_again(library: Path) -> None:
    """The same sources make the same image, which everybody can read; nothing else is written."""
    before = {path: path.read_bytes() for path in library.glob("*.image")}
    assert sorted(path.name for path in library.iterdir()) == ["popa3d", "popa3d-session.image", "popa3d.image"]
    old = os.umask(0o077)
    try:
        subprocess.run([*PYTHON, CHECKOUT / "bin/popa3d-images", library], check=True)
    finally:
        os.umask(old)
    assert before == {path: path.read_bytes() for path in library.glob("*.image")}
    assert {path.stat().st_mode & 0o777 for path in before} == {0o644}
    assert not list(library.rglob("__pycache__"))


def _image(directory: Path, **texts: str) -> Image:
    """An image of a package `imaged` with one section: modules with these texts, in this order."""
    parts = []
    for name, text in {"__init__": "", **texts}.items():
        path = f"imaged/{name}.py"
        (directory / path).parent.mkdir(exist_ok=True)
        (directory / path).write_text(text)
        status = (directory / path).stat()
        code = compile(text, path, "exec")
        parts.append(("imaged" if name == "__init__" else f"imaged.{name}", path, status.st_mtime_ns, status.st_size, code))
    section = marshal.dumps(tuple(parts))
    return Image(str(directory), [(len(section), tuple(part[0] for part in parts))], memoryview(section))


@pytest.fixture
def imported(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """What is imported in the test is forgotten afterwards."""
    for name in ("imaged", "imaged.first", "imaged.second"):
        monkeypatch.setitem(sys.modules, name, sys)
        del sys.modules[name]
    return monkeypatch


def test_each_module_once(imported: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A module that was imported before its turn is not loaded again."""
    image = _image(tmp_path, first="from . import second\nhad = second.own", second="own = object()")
    imported.setattr(sys, "meta_path", [image, *sys.meta_path])
    first, second = (__import__(f"imaged.{name}", fromlist=["*"]) for name in ("first", "second"))
    assert first.had is second.own and sys.modules["imaged"].second is second


def test_module_that_fails(imported: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A module that raises an exception is not there afterwards, and whoever imports it gets the exception."""
    image = _image(tmp_path, first="", second="raise ImportError('no luck')")
    imported.setattr(sys, "meta_path", [image, *sys.meta_path])
    with pytest.raises(ImportError, match="no luck"):
        __import__("imaged.first")
    assert "imaged.second" not in sys.modules

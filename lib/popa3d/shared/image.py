"""A program's image: one file with the modules that it loads in every session, in the order in which they are loaded.

bin/popa3d-images writes it, and puts the code of this module first. The program runs that before it imports anything, so
there is nothing to import here but what the interpreter has already.

Runs as: any uid.
Trusts: the image as it trusts the modules, beside which it lies; but not that it was made of them.
"""

import marshal
import posix as os  # as os, without its start-up time
import sys

TYPE_CHECKING = False  # the typing module would cost start-up time
if TYPE_CHECKING:
    from importlib.machinery import ModuleSpec
    from types import CodeType, ModuleType
    from typing import Any

    # The module's name, its file's path below the library, that file's time in ns and size, and its code.
    Part = tuple[str, str, int, int, CodeType]
    # The size of each section, and the names of its modules, in the order in which they are loaded.
    Index = list[tuple[int, tuple[str, ...]]]

_Module: "Any" = type(sys)
_Spec: "Any" = type(sys.__spec__)
_PACKAGE = "/__init__.py"


class _Loaded:
    """The loader of a module that is loaded already."""

    @staticmethod
    def create_module(spec: "ModuleSpec") -> "ModuleType":
        return sys.modules[spec.name]

    @staticmethod
    def exec_module(_module: "ModuleType") -> None:
        pass


class Image:
    """A finder for sys.meta_path. The modules are in sections: whoever imports one of a section has all of it loaded.

    A section is used only if each of its source files has the time and size that it had when the image was made, as with
    bytecode files. If not, nothing of the image is used from then on, and modules are found in the usual way.
    """

    def __init__(self, library: str, index: "Index", sections: memoryview) -> None:
        """library: the directory of the package popa3d. sections: one after the other, each a marshalled tuple of Parts."""
        self._library = library
        self._sections: dict[str, memoryview] = {}
        for octets, names in index:
            self._sections.update(dict.fromkeys(names, sections[:octets]))
            sections = sections[octets:]

    def find_spec(self, name: str, _path: object = None, _target: object = None) -> "ModuleSpec | None":
        """The module `name`, loaded with its section; None if it is not in the image, or no longer to be had from it."""
        section = self._sections.get(name)
        if section is None:
            return None
        parts: "tuple[Part, ...]" = marshal.loads(section)
        if not self._is_of(parts):
            self._sections.clear()
            return None
        for part in parts:
            del self._sections[part[0]]
        for part in parts:
            if part[0] not in sys.modules:
                self._load(part)
        return sys.modules[name].__spec__

    def _is_of(self, parts: "tuple[Part, ...]") -> bool:
        """Whether the source files are those that the image was made of."""
        try:
            for _, path, time_ns, octets, _ in parts:
                status = os.stat(f"{self._library}/{path}")
                if status.st_mtime_ns != time_ns or status.st_size != octets:
                    return False
        except OSError:
            return False
        return True

    def _load(self, part: "Part") -> None:
        """What the import system does for a module, without its searches and locks: a program's start has one thread."""
        name, path, _, _, code = part
        file = f"{self._library}/{path}"
        is_package = path.endswith(_PACKAGE)
        package, _, last = name.rpartition(".")
        module = _Module(name)
        spec = module.__spec__ = _Spec(name, _Loaded, origin=file, is_package=is_package)
        spec.has_location = True
        module.__loader__, module.__file__, module.__package__ = _Loaded, file, name if is_package else package
        if is_package:
            module.__path__ = spec.submodule_search_locations = [file.removesuffix(_PACKAGE)]
        sys.modules[name] = module
        try:
            exec(code, module.__dict__)
        except BaseException:
            del sys.modules[name]
            raise
        if package:
            setattr(sys.modules[package], last, module)


def use(library: str, index: "Index", sections: memoryview) -> None:
    """Let the program's imports find the image's modules first."""
    sys.meta_path.insert(0, Image(library, index, sections))

"""The user's own objects by a text: ``my_module:name`` or ``path/to/file.py:name``.

Modules and files are looked for from a folder, and what lies beside them can be imported.
"""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import os
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

from optiproxy.errors import DataError, InvalidValueError, OptiProxyError, invalid, unknown

#: The user's modules: name, file, and a hash of its content.
Files = tuple[tuple[str, str, str], ...]

# Name → file and hash, of those that this process has loaded.
_loaded: dict[str, tuple[str, str]] = {}


def find(kind: str, text: str, folder: str, wanted: type) -> Any:
    """The object that `text` names.

    Args:
        kind: What it is called in messages, such as ``task``.
        text: With a colon.
        folder: From which relative paths and modules are looked for.
        wanted: Instances or subclasses of it are named where there is no such object.

    Raises:
        InvalidValueError: Nothing is found, or the module raised an exception.
        DataError: The module opens a table that is missing or broken.
    """
    place, _, attribute = text.rpartition(":")
    if not place or not attribute:
        raise invalid(kind, text, f"give my_module:{kind} or path/to/file.py:{kind}")
    module = (_from_file if is_file(place) else _from_module)(kind, text, folder, place)
    try:
        return getattr(module, attribute)
    except AttributeError:
        own = {name: v for name, v in vars(module).items() if _own(module, name, v)}
        names = [name for name, value in vars(module).items() if _is(value, wanted)] or list(own)
        raise unknown(f"{kind} {text!r}: attribute of {place}", attribute, names) from None


def is_file(place: str) -> bool:
    """Whether the part before the colon is a file's path, and not a module's name."""
    return place.endswith(".py") or os.sep in place or "/" in place


def file_of(text: str, begun: str | None) -> Path | None:
    """The user's own file that `text` names, absolute, without loading it.

    Of a file the folder where the study was begun goes first, since the current one may have
    another of the same name; of a module the current one, as it does in Python. On another machine
    the first may not exist.

    Args:
        text: As of `find`.
        begun: The folder where a stored study was begun; None for the current one.

    Returns:
        None where neither folder has it: it is a name, or installed, or missing.
    """
    place, colon, _ = text.rpartition(":")
    folders = list(dict.fromkeys((begun or os.getcwd(), os.getcwd())))
    if not colon:
        return None
    endings = [""]
    if not is_file(place):
        place, endings = place.replace(".", os.sep), [".py", f"{os.sep}__init__.py"]
        folders.reverse()
    for folder in folders:
        for ending in endings:
            path = Path(folder, f"{place}{ending}").expanduser()
            if path.is_file():
                return path.resolve()
    return None


def placed(text: str, begun: str | None) -> str:
    """A text by which `find` has the same object from the current folder.

    Of a file it has the absolute path. A module in `begun` can be imported from now on.

    Args:
        text: As of `find`.
        begun: As of `file_of`.
    """
    file = file_of(text, begun)
    place, _, attribute = text.rpartition(":")
    if file is None:
        return text
    if is_file(place):
        return f"{file}:{attribute}"
    if begun is not None and not file.is_relative_to(Path.cwd().resolve()):
        _importable(Path(begun))
    return text


def files_of(file: Path, folder: Path) -> Files:
    """The user's code that was just loaded: a file, and the modules that came from a folder."""
    found = []
    for name, module in list(sys.modules.items()):
        # Not by `getattr`: some modules load others then.
        place = module.__dict__.get("__file__") if isinstance(module, ModuleType) else None
        stem = os.path.join(folder, *name.split("."))
        if place in (str(file), f"{stem}.py", os.path.join(stem, "__init__.py")):
            _loaded[name] = place, _hash(place)
            found.append((name, *_loaded[name]))
    return tuple(sorted(found))


def renew(kind: str, text: str, files: Files) -> None:
    """Makes `find` load modules anew if this process has loaded others of the same names.

    Args:
        kind: As of `find`.
        text: As of `find`.
        files: What has to be loaded.

    Raises:
        InvalidValueError: One has another content on this machine.
    """
    for _, place, content in files:
        if not os.path.isfile(place) or _hash(place) != content:
            raise InvalidValueError(
                f"{kind} {text!r}: {place} is not the file that the search has loaded: it was "
                f"edited since, or {socket.gethostname()} has another one; end the search and run "
                "it again"
            )
    if any(name in sys.modules and _loaded.get(name) != tuple(rest) for name, *rest in files):
        for name, *_ in files:
            sys.modules.pop(name, None)


def _hash(place: str) -> str:
    return hashlib.sha256(Path(place).read_bytes()).hexdigest()


@contextmanager
def named(kind: str, text: str, place: str) -> Iterator[None]:
    """Adds to an exception which object and place it came from, and keeps it as the cause."""
    try:
        yield
    except OptiProxyError as error:
        wrapped = DataError if isinstance(error, DataError) else InvalidValueError
        raise wrapped(f"{kind} {text!r}: {error}") from error
    except (Exception, SystemExit) as error:
        raise InvalidValueError(
            f"{kind} {text!r}: {place} raised {type(error).__name__}: {error}"
        ) from error


def _from_file(kind: str, text: str, folder: str, place: str) -> ModuleType:
    path = Path(folder, place).expanduser().resolve()
    if not path.is_file():
        near = [file.name for file in sorted(path.parent.glob("*.py"))]
        beside = f"; {unknown('file', path.name, near)}" if near else ""
        raise InvalidValueError(f"{kind} {text!r}: there is no file {path}{beside}")
    # Unlike the names of the user's modules, and of another file of the same name.
    name = f"optiproxy_file_{hashlib.sha256(str(path).encode()).hexdigest()[:12]}_{path.stem}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise invalid(f"{kind}: file", place, f"give a Python file, path/to/file.py:{kind}")
    module = importlib.util.module_from_spec(spec)
    # Files beside it can be imported, as from a script.
    _importable(path.parent)
    sys.modules[name] = module
    try:
        with named(kind, text, place):
            spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module


def _from_module(kind: str, text: str, folder: str, place: str) -> ModuleType:
    _importable(Path(folder))
    importlib.invalidate_caches()
    with named(kind, text, place):
        try:
            return importlib.import_module(place)
        except ModuleNotFoundError as error:
            missing = error.name or ""
            if place != missing and not place.startswith(f"{missing}."):
                raise
    near = [file.stem for file in sorted(Path(folder).glob("*.py"))]
    remedy = f"no module of this name is installed or in {folder}"
    raise InvalidValueError(f"{unknown(f'{kind}: module', place, near)}; {remedy}")


def _importable(folder: Path) -> None:
    # To the front: other folders may have modules of the same names.
    sys.path[:] = [str(folder), *(place for place in sys.path if place != str(folder))]


def _is(value: object, wanted: type) -> bool:
    """Whether `value` is of the kind, or a class of it other than the base itself."""
    if isinstance(value, type):
        return value is not wanted and issubclass(value, wanted)
    return isinstance(value, wanted)


def _own(module: ModuleType, name: str, value: object) -> bool:
    """Whether `value` is a public object of the module itself, which might make one."""
    return not name.startswith("_") and getattr(value, "__module__", None) == module.__name__

"""Finding a task by its text: a registered name, ``my_module:task`` or ``path/to/file.py:task``."""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import inspect
import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from types import ModuleType
from typing import Any

from optiproxy.errors import DataError, InvalidValueError, OptiProxyError, invalid, unknown
from optiproxy.spaces import Architecture
from optiproxy.tasks.evaluation import Evaluation
from optiproxy.tasks.registry import TASKS
from optiproxy.tasks.task import Task

_REMEDY = "give a name of `optiproxy tasks`, my_module:task or path/to/file.py:task"


@dataclass(frozen=True)
class Reference:
    """What finds a task again, in this process or in another one.

    Attributes:
        text: The argument of `load`.
        folder: The current directory then, absolute: paths and modules are searched from there.
    """

    text: str
    folder: str

    def load(self) -> Task:
        """The task; loaded once in each process."""
        return _loaded(self)

    @property
    def file(self) -> Path | None:
        """The Python file that `text` names; None for a registered task, or if there is no file."""
        place, colon, _ = self.text.rpartition(":")
        if self.text in TASKS.names() or not colon:
            return None
        if _is_file(place):
            return Path(self.folder, place).expanduser().resolve()
        found = getattr(sys.modules.get(place), "__file__", None)
        return None if found is None else Path(found)


def load(text: str) -> Task:
    """Finds a task by a registered name, ``my_module:task`` or ``path/to/file.py:task``.

    What follows the colon is a `Task`, or a function without arguments that returns one. Modules
    are also looked for in the current directory. The task that is returned may be sent to another
    process by pickle or cloudpickle, wherever its functions live: it is loaded again there.

    Raises:
        InvalidValueError: Nothing is found, it is no task, or the module raised an exception.
        DataError: The module opens a table that is missing or broken.
    """
    if not isinstance(text, str) or not text:
        raise invalid("task", text, _REMEDY)
    return resolve(Reference(text, os.getcwd()))


def get(name: str) -> Task:
    """The registered task `name`. Nothing is loaded yet: see `Task.prepare`.

    Raises:
        InvalidValueError: No task has this name; the message has the nearest names.
    """
    if name not in TASKS.names():
        raise unknown("task", name, TASKS.names())
    return load(name)


def evaluate(
    task: Task | str, arch: Architecture | Mapping[str, object] | str, seed: int = 0
) -> Evaluation:
    """Evaluates one architecture; a plain function, which any executor can call.

    ``executor.submit(tasks.evaluate, "mine.py:task", arch, seed)`` works in processes that can't
    import the task's module, and loads the task once in each.

    Args:
        task: A task, or a text that `load` reads.
        arch: An architecture of its space, or what `Space.architecture` reads.
        seed: The study's seed.

    Raises:
        InvalidValueError: The task is not found, or `arch` is not in its space.
        DataError: The task's data are missing or broken.
    """
    if isinstance(task, str):
        task = Reference(task, os.getcwd()).load()
    return task.query(task.space.architecture(arch), seed=seed)


@lru_cache(maxsize=64)
def _loaded(reference: Reference) -> Task:
    return resolve(reference)


def resolve(reference: Reference) -> Task:
    text = reference.text
    if text in TASKS.names():
        with _named(text, "the registered task"):
            found = TASKS.get(text)
    else:
        place, colon, attribute = text.rpartition(":")
        if not colon:
            raise _no_colon(reference)
        if not place or not attribute:
            raise invalid("task", text, _REMEDY)
        module = (_from_file if _is_file(place) else _from_module)(reference, place)
        found = _attribute(text, module, place, attribute)
    task = _called(text, found)
    return task._again(reference=reference)


def _is_file(place: str) -> bool:
    return place.endswith(".py") or os.sep in place or "/" in place


def _no_colon(reference: Reference) -> InvalidValueError:
    text = reference.text
    if text.endswith(".py") and Path(reference.folder, text).is_file():
        return invalid("task", text, f"name what is in the file: {text}:task")
    if Path(reference.folder, f"{text}.py").is_file():
        return invalid("task", text, f"name what is in the module: {text}:task")
    error = unknown("task", text, TASKS.names())
    return InvalidValueError(f"{error}; or give your own, my_module:task or path/to/file.py:task")


def _from_file(reference: Reference, place: str) -> ModuleType:
    path = Path(reference.folder, place).expanduser().resolve()
    if not path.is_file():
        near = [file.name for file in sorted(path.parent.glob("*.py"))]
        beside = f"; {unknown('file', path.name, near)}" if near else ""
        raise InvalidValueError(f"task {reference.text!r}: there is no file {path}{beside}")
    # Unlike the names of the user's modules, and of another file of the same name.
    name = f"optiproxy_file_{hashlib.sha256(str(path).encode()).hexdigest()[:12]}_{path.stem}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise invalid("task: file", place, "give a Python file, path/to/file.py:task")
    module = importlib.util.module_from_spec(spec)
    # Files beside it can be imported, as from a script.
    _importable(path.parent)
    sys.modules[name] = module
    try:
        with _named(reference.text, place):
            spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module


def _from_module(reference: Reference, place: str) -> ModuleType:
    _importable(Path(reference.folder))
    importlib.invalidate_caches()
    with _named(reference.text, place):
        try:
            return importlib.import_module(place)
        except ModuleNotFoundError as error:
            missing = error.name or ""
            if place != missing and not place.startswith(f"{missing}."):
                raise
    near = [file.stem for file in sorted(Path(reference.folder).glob("*.py"))]
    remedy = f"no module of this name is installed or in {reference.folder}"
    raise InvalidValueError(f"{unknown('task: module', place, near)}; {remedy}")


def _importable(folder: Path) -> None:
    if str(folder) not in sys.path:
        sys.path.insert(0, str(folder))


def _attribute(text: str, module: ModuleType, place: str, attribute: str) -> Any:
    try:
        return getattr(module, attribute)
    except AttributeError:
        names = [name for name, value in vars(module).items() if isinstance(value, Task)]
        if not names:
            names = [n for n, value in vars(module).items() if _own(module, n, value)]
        raise unknown(f"task {text!r}: attribute of {place}", attribute, names) from None


def _own(module: ModuleType, name: str, value: object) -> bool:
    """Whether `value` is a public function of the module itself, which might return a task."""
    return not name.startswith("_") and getattr(value, "__module__", None) == module.__name__


def _called(text: str, found: Any) -> Task:
    if isinstance(found, Task):
        return found
    remedy = "name a Task, or a function without arguments that returns one"
    if not callable(found) or not _needs_nothing(found):
        raise InvalidValueError(f"task {text!r}: it is a {type(found).__name__}; {remedy}")
    with _named(text, getattr(found, "__name__", repr(found))):
        task = found()
    if not isinstance(task, Task):
        raise InvalidValueError(f"task {text!r}: it returned a {type(task).__name__}; {remedy}")
    return task


def _needs_nothing(function: Any) -> bool:
    try:
        inspect.signature(function).bind()
    except (TypeError, ValueError):
        return False
    return True


@contextmanager
def _named(text: str, place: str) -> Iterator[None]:
    """Adds to an exception which task and place it came from, and keeps it as the cause."""
    try:
        yield
    except OptiProxyError as error:
        kind = DataError if isinstance(error, DataError) else InvalidValueError
        raise kind(f"task {text!r}: {error}") from error
    except (Exception, SystemExit) as error:
        raise InvalidValueError(
            f"task {text!r}: {place} raised {type(error).__name__}: {error}"
        ) from error

"""Finding a task by its text: a registered name, ``my_module:task`` or ``path/to/file.py:task``."""

from __future__ import annotations

import inspect
import json
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

from optiproxy import references
from optiproxy.errors import InvalidValueError, invalid, unknown
from optiproxy.spaces import Architecture
from optiproxy.tasks.evaluation import Evaluation
from optiproxy.tasks.registry import TASKS
from optiproxy.tasks.task import Task

_REMEDY = (
    "give a name of `optiproxy tasks`, my_module:task, path/to/file.py:task, or path/to/space.json"
)


@dataclass(frozen=True)
class Reference:
    """What finds a task again, in this process or in another one.

    Attributes:
        text: The argument of `load`.
        folder: The current directory then, absolute: paths and modules are searched from there.
        code: The user's own modules as they were loaded, with hashes of their files; empty before.
    """

    text: str
    folder: str
    code: references.Files = ()

    def load(self) -> Task:
        """The task; loaded once in each process, and again where its code is another one.

        Raises:
            InvalidValueError: As of `load`; or its files here are not those of `code`.
        """
        return _loaded(self)

    @property
    def defined(self) -> bool:
        """Whether `text` is the task itself, as JSON."""
        return self.text.lstrip().startswith("{")

    @property
    def file(self) -> Path | None:
        """The Python file that `text` names; None for a registered task, or if there is no file."""
        place, colon, _ = self.text.rpartition(":")
        if self.defined or self.text in TASKS.names() or not colon:
            return None
        if references.is_file(place):
            return Path(self.folder, place).expanduser().resolve()
        found = getattr(sys.modules.get(place), "__file__", None)
        return None if found is None else Path(found)


def load(text: str) -> Task:
    """Finds a task by a registered name, ``my_module:task`` or ``path/to/file.py:task``.

    A path that ends in ``.json``, or the text of a JSON object, is a `definition`: a task whose
    queries other programs answer. Of a file the content is kept, so that it is not needed again.

    What follows the colon is a `Task`, or a function without arguments that returns one. Modules
    are also looked for in the current directory. The task that is returned may be sent to another
    process by pickle or cloudpickle, wherever its functions live: it is loaded again there.

    Raises:
        InvalidValueError: Nothing is found, it is no task, or the module raised an exception.
        DataError: The module opens a table that is missing or broken.
    """
    if not isinstance(text, str) or not text:
        raise invalid("task", text, _REMEDY)
    if text.endswith(".json"):
        from optiproxy.tasks import definition

        text = definition.read_file(Path(text).expanduser())
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
    references.renew("task", reference.text, reference.code)
    return resolve(reference)


def resolve(reference: Reference) -> Task:
    text = reference.text
    if text in TASKS.names():
        with references.named("task", text, "the registered task"):
            found = TASKS.get(text)
    elif reference.defined:
        found = _parsed(text)
    else:
        if ":" not in text:
            raise _no_colon(reference)
        found = references.find("task", text, reference.folder, Task)
    task = _called(text, found)
    return task._again(reference=replace(reference, code=_code(reference)))


def _code(reference: Reference) -> references.Files:
    file = reference.file
    if file is None:
        return ()
    by_path = references.is_file(reference.text.rpartition(":")[0])
    return references.files_of(file, file.parent if by_path else Path(reference.folder))


def _parsed(text: str) -> Task:
    from optiproxy.tasks import definition

    try:
        value = json.loads(text)
    except json.JSONDecodeError as error:
        raise InvalidValueError(f"task: {text[:80]!r} is no JSON: {error}") from None
    return definition.from_json(value)


def _no_colon(reference: Reference) -> InvalidValueError:
    text = reference.text
    if text.endswith(".py") and Path(reference.folder, text).is_file():
        return invalid("task", text, f"name what is in the file: {text}:task")
    if Path(reference.folder, f"{text}.py").is_file():
        return invalid("task", text, f"name what is in the module: {text}:task")
    error = unknown("task", text, TASKS.names())
    return InvalidValueError(f"{error}; or give your own, my_module:task or path/to/file.py:task")


def _called(text: str, found: Any) -> Task:
    if isinstance(found, Task):
        return found
    remedy = "name a Task, or a function without arguments that returns one"
    if not callable(found) or not _needs_nothing(found):
        raise InvalidValueError(f"task {text!r}: it is a {type(found).__name__}; {remedy}")
    with references.named("task", text, getattr(found, "__name__", repr(found))):
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

"""A task as JSON: a space, objectives and limits, whose queries other programs answer.

It has no evaluator, so nothing here can run it: programs ask for queries and tell the answers
(`Study.ask`, ``optiproxy ask``).
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any, NoReturn

from pydantic import Field

from optiproxy.errors import InvalidValueError, invalid
from optiproxy.spaces.serial import Definition, SpaceDefinition, read
from optiproxy.tasks.task import Task


class TaskDefinition(Definition):
    """A search space, objectives and limits."""

    name: Annotated[str, Field(description="The default name of its studies.")] = "task"
    space: SpaceDefinition
    objectives: Annotated[
        dict[str, str],
        Field(description="Metric → max or min; the first one ranks.", min_length=1),
    ]
    constraints: dict[str, str] = Field(
        default={}, description="Metric → '<= NUMBER' or '>= NUMBER'."
    )
    reported: list[str] = Field(
        default=[], description="Metrics that are kept and never shown to the method."
    )
    description: str = ""


def from_json(value: Any) -> Task:
    """The task that a JSON object defines.

    >>> task = from_json({"name": "edge", "objectives": {"accuracy": "max"},
    ...                   "space": {"kind": "chain", "choices": {"width": [16, 32]}}})
    >>> task.name, task.space.count
    ('edge', 2)

    Args:
        value: The object as Python has it, a mapping; see `schema`.

    Raises:
        InvalidValueError: With all mistakes.
    """
    found: TaskDefinition = read(TaskDefinition, value, "task")
    task = Task(
        found.name,
        found.space.space(),
        _elsewhere,
        objectives=found.objectives,
        constraints=found.constraints,
        reported=found.reported,
        description=found.description,
        prepare=_elsewhere,
    )
    for constraint in task.constraints:
        if constraint.relative:
            remedy = "give a number: nothing here can measure a sample of the space"
            raise invalid("task.constraints", constraint.text, remedy)
    return task


def schema() -> dict[str, Any]:
    """The JSON Schema of a task."""
    return TaskDefinition.model_json_schema()


def read_file(path: Path) -> str:
    """The JSON text of a task in a file, with the file's name as the task's where it has none.

    Raises:
        InvalidValueError: There is no such file, or it is no JSON object.
    """
    try:
        value = json.loads(path.read_text("utf-8"))
    except OSError as error:
        raise InvalidValueError(f"task {str(path)!r}: {error.strerror}") from None
    except ValueError as error:
        raise InvalidValueError(f"task {str(path)!r}: it is no JSON: {error}") from None
    if not isinstance(value, dict):
        raise invalid(f"task {str(path)!r}", value, "give a JSON object with space and objectives")
    return json.dumps({"name": path.stem, **value}, ensure_ascii=False)


def _elsewhere(*_: object) -> NoReturn:
    raise InvalidValueError(
        "this task has no evaluator: other programs answer its queries (optiproxy new, then "
        "optiproxy ask and optiproxy tell)"
    )

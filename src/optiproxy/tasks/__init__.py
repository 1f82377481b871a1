"""Tasks: a search space, an oracle and its objectives."""

from optiproxy.tasks.base import Evaluation, Task

__all__ = ["Evaluation", "Task"]

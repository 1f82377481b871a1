"""An evaluation as it goes to whoever makes it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from optiproxy.spaces import Architecture
from optiproxy.tasks import Evaluation, Task


@dataclass(frozen=True)
class Job:
    """The arguments of `Task.query`."""

    architecture: Architecture
    seed: int = 0
    epochs: int | None = None
    medians: Mapping[int, float] | None = None
    folder: Path | None = None

    @property
    def keywords(self) -> dict[str, Any]:
        """All but the architecture."""
        return {name: value for name, value in vars(self).items() if name != "architecture"}

    def of(self, task: Task) -> Evaluation:
        """Makes the evaluation."""
        return task.query(self.architecture, **self.keywords)

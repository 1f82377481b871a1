"""What a limit in percent refers to: the largest value in a random sample of the space."""

from __future__ import annotations

import logging
import math
import time
from functools import partial
from typing import TYPE_CHECKING

from optiproxy.errors import invalid
from optiproxy.tasks import _device, _evaluate

if TYPE_CHECKING:
    from optiproxy.tasks.task import Task

_logger = logging.getLogger("optiproxy.tasks")

# So many random architectures, the same ones for every study and seed; fewer where each takes a
# measurement on a device.
SAMPLE, SAMPLE_MEASURED = 200, 20
# A sample that takes longer than this many seconds is told of.
TOLD_AFTER = 5.0


def sampled(task: Task, metric: str) -> list[float]:
    """A metric of a random sample of the space, NaN where it can't be measured."""
    function, size = task.known(metric), SAMPLE
    if metric not in task.exact and _device.measures(task, metric):
        function = partial(_device.metric, task, metric, function)
        size = SAMPLE_MEASURED
    if function is None:
        raise invalid(
            "constraint",
            f"a share of {metric}",
            "give a number: this metric is known after training alone (or make it "
            f"Metric({metric!r}, function, cheap=True))",
        )
    values: list[float] = []
    problem = ""
    begun, told = time.monotonic(), False
    for arch in task.space.sample(size, seed=0):
        took = time.monotonic() - begun
        if values and took > TOLD_AFTER and not told:
            told = True
            _logger.warning(
                "%s of %d random architectures is found first, for a limit in percent: %d are "
                "done, about %.0f s left",
                *(metric, size, len(values), took / len(values) * (size - len(values))),
            )
        try:
            values.append(_evaluate.number(metric, function(arch)))
        except Exception as error:
            values.append(math.nan)  # One failed measurement is no reason to stop.
            problem = f"{type(error).__name__}: {error}"
    if problem and not any(map(math.isfinite, values)):
        raise invalid(
            "constraint",
            f"a share of {metric}",
            f"no value could be measured ({problem}); see to that, or give a number",
        )
    return values

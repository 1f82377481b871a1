"""What is measured of an architecture before its training, which a broken limit then spares."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from optiproxy.metrics import SAMPLE, SAMPLE_MEASURED, Constraint, Function, resolved, sampled
from optiproxy.spaces import Architecture, Space
from optiproxy.tasks._answers import check_finite, finite
from optiproxy.tasks._device import Device
from optiproxy.tasks.rows import Rows

# Networks that a command is tried on, for the names of its metrics.
_TRIED = 5


@dataclass(frozen=True)
class Prefilter:
    """The metrics of a task that are known without a training, and the limits on them.

    Attributes:
        space: The task's.
        exact: Metrics that cost nothing, name → function.
        cheap: Metrics that are measured, name → function.
        device: What measures each network, or None.
        rows: The rows of a look-up, which have all metrics; or None.
        constraints: The task's.
        needed: The metrics without which an evaluation fails.
    """

    space: Space
    exact: Mapping[str, Function]
    cheap: Mapping[str, Function]
    device: Device | None
    rows: Rows | None
    constraints: Sequence[Constraint]
    needed: Sequence[str]

    @property
    def may_drop(self) -> bool:
        """Whether a limit may be found broken before a training."""
        return any(
            c.metric in self.exact or c.metric in self.cheap or self._on_device(c.metric)
            for c in self.constraints
        )

    @property
    def asks_device(self) -> bool:
        """Whether the order of cheap measurements depends on which metrics a command prints."""
        return self.device is not None and self.device.metrics is None and bool(self.cheap)

    def ask_device(self) -> tuple[str, ...] | None:
        """The metrics that a command prints, if `asks_device`; else None.

        Raises:
            DataError: The command measured no network.
        """
        if self.device is None or not self.asks_device:
            return None
        self.device.learn_metrics(self.space.sample(_TRIED, seed=0))
        return self.device.metrics

    def measured(self, arch: Architecture) -> tuple[dict[str, Any], str]:
        """What is measured before the training, and which limit it breaks; empty for none.

        It ends at the first broken limit. The values are as the functions gave them: a
        `hardware.Measurement` also says how it was made.

        Raises:
            EvaluationFailed: A measurement, or an exact metric that is needed, is no finite number.
        """
        known: dict[str, Any] = {}
        for found in self._measurements(arch):
            known = {**found, **known}
            if broken := self._broken(known):
                return known, broken
        return known, ""

    def limits(self) -> tuple[Constraint, ...]:
        """The constraints with absolute bounds.

        Raises:
            InvalidValueError: A relative limit's metric is known by training alone.
        """
        return resolved(self.constraints, self._sampled)

    def _measurements(self, arch: Architecture) -> Iterator[dict[str, Any]]:
        """The cheapest first: the exact metrics, then the task's own cheap metrics, then those of
        the device, which override the task's own.
        """
        counted = {}
        for name, function in self.exact.items():
            if name in self.needed:
                counted[name] = function(arch)
                check_finite(name, counted[name])
            else:  # Not needed by a limit: the training goes on without it.
                with suppress(Exception):
                    counted[name] = function(arch)
        yield counted
        later = [name for name in self.cheap if self._on_device(name)]
        yield from self._own(arch, [name for name in self.cheap if name not in later])
        if self.device is not None:
            found = self.device.measured(arch)
            yield found
            yield from self._own(arch, [name for name in later if name not in found])

    def _own(self, arch: Architecture, names: Sequence[str]) -> Iterator[dict[str, Any]]:
        for name in names:
            measured = self.cheap[name](arch)
            check_finite(name, measured)
            yield {name: measured}

    def _broken(self, known: Mapping[str, Any]) -> str:
        numbers = finite(known)
        for c in self.constraints:
            if c.metric in numbers and not c.relative and c.violation(numbers[c.metric]) > 0:
                return f"{c.metric} is {numbers[c.metric]:g}, not {c}"
        return ""

    def _on_device(self, metric: str) -> bool:
        return self.device is not None and self.device.may_measure(metric)

    def _sampled(self, metric: str) -> list[float]:
        rows, device = self.rows, self.device
        function = self.exact.get(metric) or self.cheap.get(metric)
        if rows is not None and metric in rows.metrics:
            function = lambda arch: rows(arch)[metric]  # noqa: E731
        if metric in self.exact or device is None or not device.may_measure(metric):
            return sampled(self.space, metric, function, SAMPLE)
        own = function
        return sampled(self.space, metric, lambda a: device.metric(metric, own, a), SAMPLE_MEASURED)

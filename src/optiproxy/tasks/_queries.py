"""The queries of a task, and what is measured before each of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, SupportsFloat

from optiproxy.errors import DataError, OptiProxyError
from optiproxy.metrics import (
    SAMPLE,
    SAMPLE_MEASURED,
    Constraint,
    Function,
    Objective,
    is_feasible,
    sampled,
)
from optiproxy.spaces import Architecture, Space
from optiproxy.tasks import _arguments, _evaluate
from optiproxy.tasks._device import Device
from optiproxy.tasks._early_stopping import Curve
from optiproxy.tasks.evaluation import Evaluation, Evaluator
from optiproxy.tasks.rows import Rows

# Networks that a command is tried on, for the names of its metrics.
_TRIED = 5


class TaskQueries:
    """What answers the queries of a task; see `Task` for the attributes, which it sets."""

    name: str
    space: Space
    evaluator: Evaluator
    objectives: tuple[Objective, ...]
    constraints: tuple[Constraint, ...]
    reported: tuple[str, ...]
    exact: dict[str, Function]
    cheap: dict[str, Function]
    device: Device | None
    measured: tuple[str, ...] | None
    fidelities: tuple[int, ...]
    low_fidelity: int | None
    rows: Rows | None
    _prepare: Callable[[], object] | None

    def prepare(self) -> None:
        """Makes ready what every query needs: loads and checks a table, generates a data set.

        A search calls it before its first query, so that missing data cost none.

        Raises:
            DataError: The data are missing or broken (the message says how to get them), or the
                user's `prepare` raised an exception.
        """
        if self.rows is not None:
            self.rows.load(self.low_fidelity)
        if self._prepare is not None:
            try:
                self._prepare()
            except OptiProxyError:
                raise
            except Exception as error:
                reason = f"{type(error).__name__}: {_evaluate.said(error)}"
                raise DataError(f"task {self.name!r} can't be prepared: {reason}") from error

    def query(
        self,
        arch: Architecture,
        *,
        seed: int = 0,
        epochs: int | None = None,
        medians: Mapping[int, float] | None = None,
        folder: Path | None = None,
    ) -> Evaluation:
        """Evaluates one architecture; whatever goes wrong in the evaluator becomes a failure.

        So does a `sys.exit` in it: repeated by each resume, it would end every one. Ctrl-C passes
        through.

        Args:
            arch: An architecture of the space.
            seed: The study's; the evaluator gets `evaluation_seed` of it and of `arch`.
            epochs: One of the task's fidelities; None for the full training.
            medians: Epoch → what the training must have reached by then, if it reports its curve.
            folder: For an evaluator that declares it; by default a temporary one.

        Raises:
            DataError: See `prepare`; missing data are no failure of the architecture.
        """
        self.prepare()
        self._device_metrics()
        curve = Curve(medians or {}, self.objectives[0].sign)
        with _evaluate.folder_of(self, folder) as place:
            return _evaluate.answer(self, arch, seed, epochs, curve, place)

    def evaluate(self, arch: Architecture, **keywords: Any) -> Mapping[str, SupportsFloat] | float:
        """What the evaluator itself returns, or raises, for one architecture.

        Args:
            arch: An architecture of the space.
            keywords: Of those that the evaluator declares, by default the seed of a study with seed
                0, the full training's epochs, a ``report`` that stops nothing, and a temporary
                ``folder``.
        """
        self.prepare()
        curve = self._no_curve
        with _evaluate.folder_of(self) as place:
            defaults = _evaluate.keywords(self, arch, 0, None, curve, place)
            return self.evaluator(arch, **{**defaults, **keywords})

    def prefiltered(self, arch: Architecture) -> Evaluation | None:
        """What ends a query before its training; None where `arch` is to be trained.

        Returns:
            An evaluation that is `dropped` by a limit, or that failed since a measurement did.
        """
        if not self.has_prefilter:
            return None
        self._device_metrics()
        found = _evaluate.evaluated(self, arch, None, self._no_curve)
        return found if found.dropped or found.metrics is None else None

    def answered(self, arch: Architecture, metrics: object) -> Evaluation:
        """The evaluation of `arch` by another program.

        Args:
            arch: An architecture of the space.
            metrics: What an evaluator might have returned.
        """
        self._device_metrics()
        return _evaluate.evaluated(self, arch, lambda: metrics, self._no_curve)

    @property
    def _no_curve(self) -> Curve:
        return Curve({}, self.objectives[0].sign)

    @property
    def reports_curve(self) -> bool:
        """Whether the evaluator reports its learning curve."""
        return "report" in _arguments.parameters_of(self.evaluator)

    @property
    def wants_folder(self) -> bool:
        """Whether the evaluator declares a ``folder`` for its checkpoint and its network."""
        return "folder" in _arguments.parameters_of(self.evaluator)

    def cost(self, epochs: int | None) -> float:
        """Cost of `epochs` epochs as a fraction of full training; None means full training."""
        return 1.0 if epochs is None else epochs / self.fidelities[-1]

    # ---- before a training ----

    def training_free(self, metric: str) -> Function | None:
        """The function of a metric that is known without training; None where there is none."""
        rows = self.rows
        if rows is not None and metric in rows.metrics:
            return lambda arch: rows(arch)[metric]
        return self.exact.get(metric) or self.cheap.get(metric)

    @property
    def has_prefilter(self) -> bool:
        """Whether a limit may be found broken before a training, which is then spared."""
        return any(
            c.metric in self.exact
            or c.metric in self.cheap
            or (self.device is not None and self.device.may_measure(c.metric))
            for c in self.constraints
        )

    @property
    def _asks_device(self) -> bool:
        """Whether the order of cheap measurements depends on which metrics a command prints."""
        return self.device is not None and self.device.metrics is None and bool(self.cheap)

    def _device_metrics(self) -> tuple[str, ...] | None:
        """The metrics that a command prints, where cheap measurements may wait for it."""
        if self._asks_device and self.device is not None:
            self.device.learn_metrics(self.space.sample(_TRIED, seed=0))
            return self.device.metrics
        return self.measured

    def _sampled(self, metric: str) -> list[float]:
        function = self.training_free(metric)
        if metric in self.exact or self.device is None or not self.device.may_measure(metric):
            return sampled(self.space, metric, function, SAMPLE)
        device = self.device
        return sampled(
            self.space, metric, lambda a: device.metric(metric, function, a), SAMPLE_MEASURED
        )

    # ---- metrics ----

    def visible(self, metrics: Mapping[str, float]) -> dict[str, float]:
        """The metrics that the optimiser may see: all but the reported ones."""
        return {name: value for name, value in metrics.items() if name not in self.reported}

    def feasible(self, metrics: Mapping[str, float]) -> bool:
        """Whether measured metrics satisfy every constraint."""
        return is_feasible(metrics, self.constraints)

    @property
    def needed(self) -> tuple[str, ...]:
        """The metrics that every evaluation must have: those of objectives and constraints."""
        objectives = (objective.metric for objective in self.objectives)
        constraints = (constraint.metric for constraint in self.constraints)
        return tuple(dict.fromkeys((*objectives, *constraints)))

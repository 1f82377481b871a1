"""A task: a search space, an oracle that answers queries, and what is asked of it."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, SupportsFloat, SupportsIndex

from optiproxy import durations
from optiproxy.errors import DataError, OptiProxyError, invalid, truth
from optiproxy.metrics import (
    Constraint,
    Function,
    Metric,
    Objective,
    check_known,
    is_feasible,
    parse_constraints,
    parse_objectives,
    resolved,
    sampled,
)
from optiproxy.spaces import Architecture, Space
from optiproxy.tasks import _device, _evaluate, _fidelities, _preflight
from optiproxy.tasks.evaluation import Evaluation
from optiproxy.tasks.origin import Origin

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from torch import nn

    from optiproxy.tasks.loading import Reference

Evaluator = Callable[..., Mapping[str, SupportsFloat] | float]
Trainer = Callable[[Architecture, int], "nn.Module"]


class Task:
    """A search space with an evaluator and its objectives.

    >>> import optiproxy as op
    >>> space = op.spaces.Chain({"width": [16, 32], "kernel": [3, 5]})
    >>> task = op.Task("toy", space, lambda arch: {"score": arch["width"] / arch["kernel"]},
    ...                objectives={"score": "max"})
    >>> task.query(space.architecture({"width": 32, "kernel": 5})).metrics
    {'score': 6.4}

    Args:
        name: A short name; the default name of its studies.
        space: What is searched.
        evaluate: ``evaluate(arch) → {metric: value}``, or a bare number when there is one
            objective. It may declare a keyword ``seed``, which is fixed by the study's seed and the
            architecture, ``epochs`` where there are `fidelities`, and ``report``, which it calls
            with an epoch and the first objective's value there: a training that is behind is
            stopped. It may raise `EvaluationFailed`, or anything: a failure is recorded.
        objectives: Metric → ``"max"`` or ``"min"``; the first one ranks.
        constraints: Metric → ``"<= NUMBER"`` or ``">= NUMBER"``; ``"<= 60%"`` is 60 % of the
            largest value in a random sample of the space, for metrics known without training.
        reported: Metrics that are printed and never shown to the optimiser (test accuracy).
        metrics: The names of all metrics, where they are known beforehand; objectives and
            constraints on the command line are checked against them. A `Metric` with a function
            among them need not be returned by `evaluate`: an exact one costs nothing, a cheap one
            is measured before a training, and an architecture that breaks its limit is not
            trained. With `Metric` objects alone, the list need not name all.
        build: ``build(arch) → nn.Module``, the network as a user would train or deploy it.
        train: ``train(arch, seed) → nn.Module``, the network as the evaluator trained it, when
            `seed` is the one that the evaluator was given (see `evaluation_seed`).
        example_input: ``example_input()`` → one input of its networks, or a tuple of several; what
            a network is exported or measured with.
        prepare: ``prepare()`` makes ready what every query needs, such as a data set. It is called
            before each query and must be quick after the first call.
        fidelities: Epochs that the evaluator can train for, ascending, such as ``(12, 200)``; the
            last is the full training. The evaluator declares a keyword ``epochs``.
        in_memory: True where a query is a look-up, so that a study need not be stored.
        distinct: Whether architectures that come to the same network (`Space.canonical`) are
            evaluated once; by default, but for look-ups: a table may list them one by one.
        features: Scores that cost no training (NASWOT, LogSynflow), name → function of an
            architecture, for methods that can use them; see `optiproxy.OptiProxy`.
        time_limit: How long an evaluation may take: seconds, or a text such as ``"90s"``, ``"5m"``
            or ``"2h"``. One that takes longer is ended and counts as failed, where evaluations run
            in processes of their own (see `Study.run`).
        description: One line for ``optiproxy tasks``.
        origin: Where the numbers come from.

    Attributes:
        train: The function that was given, or None.
        example_input: The function that was given, or None.
        low_fidelity: The epochs of short trainings that guide a search (see `replaced`), or None.
        measure: How each network is measured beside its evaluation (see `replaced`), or None.

    Raises:
        InvalidValueError: An argument can't be used; the message names it.
    """

    #: The user's own files that answers are read from: when they change, so do the answers.
    files: tuple[Path, ...] = ()

    def __init__(
        self,
        name: str,
        space: Space,
        evaluate: Evaluator,
        *,
        objectives: Mapping[str, str] | Sequence[str] | str,
        constraints: Mapping[str, str] | Sequence[str] | str | None = None,
        reported: Sequence[str] = (),
        metrics: Sequence[str | Metric] = (),
        build: Callable[[Architecture], nn.Module] | None = None,
        train: Trainer | None = None,
        example_input: Callable[[], Any] | None = None,
        prepare: Callable[[], object] | None = None,
        fidelities: Sequence[int] = (),
        in_memory: bool = False,
        distinct: bool | None = None,
        features: Mapping[str, Function] = MappingProxyType({}),
        time_limit: float | str | None = None,
        description: str = "",
        origin: Origin | None = None,
    ) -> None:
        if not isinstance(name, str) or not name:
            raise invalid("Task: name", name, "give a short text")
        if not isinstance(space, Space):
            raise invalid("Task: space", space, "give a search space, such as spaces.Chain({...})")
        if not callable(evaluate):
            raise invalid("Task: evaluate", evaluate, "give a function of one architecture")
        self.name = name
        self.space = space
        self.evaluate = evaluate
        self.objectives: tuple[Objective, ...] = parse_objectives(objectives)
        self.constraints: tuple[Constraint, ...] = parse_constraints(constraints)
        if isinstance(reported, str) or not isinstance(reported, Iterable):
            raise invalid("Task: reported", reported, "give a list of names")
        if isinstance(fidelities, str) or not isinstance(fidelities, Iterable):
            raise invalid("Task: fidelities", fidelities, "give a list of epochs, as (12, 200)")
        optional = {
            "build": build, "train": train, "example_input": example_input, "prepare": prepare,
        }  # fmt: skip
        for argument, function in optional.items():
            if function is not None and not callable(function):
                raise invalid(f"Task: {argument}", function, "give a function, or leave it out")
        self.reported = tuple(reported)
        given = _metrics(metrics)
        # Objects alone add to what `evaluate` returns; a name says that the list is complete.
        complete = any(isinstance(metric, str) for metric in metrics)
        self.metrics = tuple(given) if complete else ()
        self.exact = {name: m.function for name, m in given.items() if m.exact and m.function}
        self.cheap = {name: m.function for name, m in given.items() if m.cheap and m.function}
        if not isinstance(features, Mapping) or not all(map(callable, features.values())):
            raise invalid("Task: features", features, "give name → function of one architecture")
        self.features = dict(features)
        self.in_memory = truth("Task: in_memory", in_memory)
        self.distinct = not in_memory if distinct is None else truth("Task: distinct", distinct)
        self.time_limit = (
            None if time_limit is None else durations.seconds("Task: time_limit", time_limit)
        )
        self.description = description
        self.origin = origin or Origin()
        self.train = train
        self.measure: str | None = None
        self.fidelities = tuple(fidelities)
        self.low_fidelity: int | None = None
        self.example_input = example_input
        self.reference: Reference | None = None
        self._validated = False
        self._build = build
        self._prepare = prepare
        check_known(self.objectives, self.constraints, self.metrics, self.reported)
        _fidelities.check(self)
        _device.check_named(self, [m.name for m in given.values() if m.cheap and not m.function])
        self._check_callable()

    def replaced(
        self,
        objectives: Mapping[str, str] | Sequence[str] | str | None = None,
        constraints: Mapping[str, str] | Sequence[str] | str | None = None,
        measure: str | None = None,
        low_fidelity: int | None = None,
    ) -> Task:
        """The same task with the command line's options.

        Args:
            objectives: Other objectives.
            constraints: Other constraints.
            measure: Each network is measured before it is evaluated: ``"onnx"`` or ``"torch"`` on
                this machine, or a command with ``{onnx}`` in it (see `hardware.Command`). Its
                ``latency_ms``, and whatever else is measured, replaces what the evaluator returns;
                a network that breaks a limit is not evaluated, as with a cheap `Metric`.
            low_fidelity: One of the task's fidelities but the last: a search first learns from
                trainings of so many epochs, then trains the most promising ones in full.

        Raises:
            InvalidValueError: An argument can't be used.
        """
        other = type(self).__new__(type(self))
        other.__dict__.update({k: v for k, v in self.__dict__.items() if k != "optimum"})
        if objectives:
            other.objectives = parse_objectives(objectives)
        if constraints:
            other.constraints = parse_constraints(constraints)
        if low_fidelity is not None:
            _fidelities.check_low(self, low_fidelity)
            other.low_fidelity = low_fidelity
        if measure is not None:
            _device.check(self, measure)
            other.measure = measure
            if self.metrics and not _device.is_command(measure):
                other.metrics = tuple(dict.fromkeys((*self.metrics, *_device.METRICS)))
            elif self.metrics:
                other.metrics = ()  # A command may measure what it likes.
        check_known(other.objectives, other.constraints, other.metrics, self.reported)
        return other

    def resolved(self) -> Task:
        """The same task with absolute limits alone.

        Raises:
            InvalidValueError: A relative limit's metric is known by training alone.
            DataError: See `prepare`.
        """
        if not any(constraint.relative for constraint in self.constraints):
            return self
        self.prepare()
        task = self.replaced()
        task.constraints = resolved(
            self.constraints, lambda m: sampled(self.space, m, *_device.sampling(self, m))
        )
        return task

    def training_free(self, metric: str) -> Function | None:
        """The function of a metric that is known without training; None where there is none."""
        return self.exact.get(metric) or self.cheap.get(metric)

    # A task that `tasks.load` found is found again in another process: its functions may live in a
    # file that can't be imported there by a name, and its data need not travel.
    def __reduce_ex__(self, protocol: SupportsIndex) -> Any:
        if self.reference is None:
            return super().__reduce_ex__(protocol)
        options = (self.objectives, self.constraints, self.measure, self.low_fidelity)
        return _found_again, (self.reference, *options)

    def prepare(self) -> None:
        """Makes ready what every query needs: loads and checks a table, generates a data set.

        A search calls it before its first query, so that missing data cost none.

        Raises:
            DataError: The data are missing or broken; the message says how to get them. So is what
                a function of one's own raises.
        """
        if self._prepare is None:
            return
        try:
            self._prepare()
        except OptiProxyError:
            raise
        except Exception as error:
            reason = f"{type(error).__name__}: {_evaluate.said(error)}"
            raise DataError(f"task {self.name!r} can't be prepared: {reason}") from error

    @property
    def own_build(self) -> Callable[[Architecture], nn.Module] | None:
        """The task's own `build`, where it has one."""
        return self._build

    def validate(self) -> None:
        """Looks for mistakes in a space and a `build` of the user's own; nothing is evaluated.

        A search calls it before its first query.

        Raises:
            InvalidValueError: With all that was found: see `spaces.check`; and options that `build`
                does not know.
        """
        if not self._validated:
            _preflight.validate(self)
            self._validated = True

    @property
    def can_build(self) -> bool:
        """Whether there is a `build`, of the task or of its space."""
        return self._build is not None or self.space.can_build

    def build(self, arch: Architecture) -> nn.Module:
        """The untrained network of `arch`: the task's own `build`, or else the space's."""
        return self._build(arch) if self._build is not None else self.space.build(arch)

    def __repr__(self) -> str:
        wanted = ", ".join(f"{o.metric}={o.direction}" for o in self.objectives)
        limits = "".join(f", {c}" for c in self.constraints)
        return f"{type(self).__name__}({self.name!r}, {self.space!r}, {wanted}{limits})"

    def query(
        self,
        arch: Architecture,
        *,
        seed: int = 0,
        epochs: int | None = None,
        medians: Mapping[int, float] | None = None,
    ) -> Evaluation:
        """Evaluates one architecture; whatever goes wrong in the evaluator becomes a failure.

        So does a `sys.exit` in it: repeated by each resume, it would end every one. Ctrl-C passes
        through.

        Args:
            arch: An architecture of the space.
            seed: The study's; the evaluator gets `evaluation_seed` of it and of `arch`.
            epochs: One of the task's fidelities; None for the full training.
            medians: Epoch → what the training must have reached by then, if it reports its curve.

        Raises:
            DataError: See `prepare`; missing data are no failure of the architecture.
        """
        return _evaluate.answer(self, arch, seed, epochs, medians or {})

    @property
    def has_prefilter(self) -> bool:
        """Whether a limit may be found broken before a training, which is then spared."""
        return any(
            c.metric in self.exact or c.metric in self.cheap or _device.measures(self, c.metric)
            for c in self.constraints
        )

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

    @cached_property
    def optimum(self) -> float | None:
        """The best feasible value of the first objective, where it can be known; else None."""
        return None

    def objective_values(self) -> NDArray[np.float64] | None:
        """The objectives of every feasible architecture, (rows, M) in the metrics' units, where
        they can be known; else None.
        """
        return None

    def regret(self, metrics: Mapping[str, float]) -> float:
        """How far the first objective is from the optimum, >= 0 in its unit; NaN if unknown."""
        if self.optimum is None:
            return math.nan
        objective = self.objectives[0]
        return objective.sign * (self.optimum - metrics[objective.metric])

    @property
    def reports_curve(self) -> bool:
        """Whether the evaluator reports its learning curve."""
        return "report" in self._parameters

    def _check_callable(self) -> None:
        """Raises InvalidValueError where the evaluator can't be called as `query` does."""
        names: list[str] = [n for n in ("seed", "report") if n in self._parameters]
        names += ["epochs"] if self.fidelities else []
        try:
            signature = inspect.signature(self.evaluate)
        except (TypeError, ValueError):
            return  # Some functions of C don't say.
        try:
            signature.bind(None, **dict.fromkeys(names))
        except TypeError as error:
            raise invalid(
                "Task: evaluate",
                f"{getattr(self.evaluate, '__name__', self.evaluate)}{signature}",
                f"it must take one architecture, and of keywords seed, report and (with "
                f"fidelities) epochs at most: {error}",
            ) from None

    @property
    def _parameters(self) -> tuple[str, ...]:
        """The names of the evaluator's arguments; empty where they can't be told."""
        try:
            return tuple(inspect.signature(self.evaluate).parameters)
        except (TypeError, ValueError):
            return ()

    def cost(self, epochs: int | None) -> float:
        """What a training of so many epochs costs, as a part of the full one's; None is that."""
        return 1.0 if epochs is None else epochs / self.fidelities[-1]


def _metrics(metrics: Sequence[str | Metric]) -> dict[str, Metric]:
    """Name → metric."""
    if isinstance(metrics, str) or not isinstance(metrics, Sequence):
        raise invalid("Task: metrics", metrics, "give a list of names or Metric objects")
    given: dict[str, Metric] = {}
    for metric in metrics:
        if not isinstance(metric, str | Metric):
            raise invalid("Task: metrics", metric, "give a name or a Metric")
        metric = Metric(metric) if isinstance(metric, str) else metric
        if metric.name in given:
            raise invalid("Task: metrics", metric.name, "give each metric once")
        given[metric.name] = metric
    return given


def _found_again(
    reference: Reference,
    objectives: tuple[Objective, ...],
    constraints: tuple[Constraint, ...],
    measure: str | None,
    low_fidelity: int | None,
) -> Task:
    task = reference.load().replaced(measure=measure, low_fidelity=low_fidelity)
    task.objectives, task.constraints = objectives, constraints
    return task

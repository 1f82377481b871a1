"""A task: a search space, an evaluator that answers queries, and objectives."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, Self, SupportsIndex

from optiproxy import durations
from optiproxy.errors import DataError, truth, unknown
from optiproxy.metrics import (
    Constraint,
    Constraints,
    Metric,
    Noise,
    Objective,
    Objectives,
    check_known,
    is_feasible,
    parse_constraints,
    parse_objectives,
)
from optiproxy.spaces import Architecture, Space
from optiproxy.tasks import _arguments, networks
from optiproxy.tasks._metrics import read_metrics
from optiproxy.tasks._networks import TaskNetworks
from optiproxy.tasks._prefilter import Prefilter
from optiproxy.tasks._queries import TaskQueries
from optiproxy.tasks.evaluation import Evaluator
from optiproxy.tasks.networks import Network
from optiproxy.tasks.origin import Origin
from optiproxy.tasks.rows import Rows, feasible_values
from optiproxy.tasks.training_free import Features, checked_features

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from torch import nn


Trainer = Callable[[Architecture, int], "nn.Module"]


class TaskReference(Protocol):
    """By what a task is found again in another process; see `loading.Reference`."""

    @property
    def text(self) -> str: ...
    @property
    def folder(self) -> str: ...
    @property
    def defined(self) -> bool: ...
    @property
    def file(self) -> Path | None: ...
    def load(self) -> Task: ...


class Task(TaskQueries, TaskNetworks):
    """A search space with an evaluator and its objectives.

    A task is not changed after it is made; `replaced` and `resolved` make another one.

    >>> import optiproxy as op
    >>> space = op.spaces.Chain({"width": [16, 32], "kernel": [3, 5]})
    >>> task = op.Task("toy", space, lambda arch: {"score": arch["width"] / arch["kernel"]},
    ...                objectives={"score": "max"})
    >>> task.query(space.architecture({"width": 32, "kernel": 5})).metrics
    {'score': 6.4}

    Args:
        name: A short name; the default name of its studies.
        space: What is searched: a space, or a model as `nn.space_of` reads it, such as a function
            ``network(choose)``. The evaluator of a model's space is ``train_and_test(model, …)``:
            it gets the network, and the architecture as a keyword ``arch`` if it declares one. An
            evaluator whose first argument is called ``arch`` gets the architecture alone. The costs
            of a network are exact metrics: ``params`` and ``weights_mb``, and with an
            `example_input` also ``flops``, ``activations`` and ``memory_mb`` (see
            `hardware.count_costs`).
        evaluate: ``evaluate(arch) → {metric: value}``, or a bare number when there is one
            objective. It may declare a keyword ``seed``, which is fixed by the study's seed and the
            architecture, ``epochs`` where there are `fidelities`, and ``report``, which it calls
            with an epoch and the first objective's value there: a training that is behind is
            stopped. A keyword ``folder`` is a `pathlib.Path` in which it may keep what it likes,
            such as a checkpoint, from which a repeated query can go on, and its trained network:
            ``torch.save(model.state_dict(), folder / "network.pt")`` is what `optiproxy export`
            delivers. It may raise `EvaluationFailed`, or anything: a failure is recorded. May be
            left out where there are `rows`.
        objectives: Metric → ``"max"`` or ``"min"``; the first one ranks. By default those that
            `evaluate` has as an attribute, as `train.classifier` does; so with `reported` and
            `example_input`.
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
        example_input: One input of its networks, as a batch of one, or a tuple of several; what a
            network is exported or measured with. Or a function that returns it. A mapping of
            keywords, or an object of your own from a function, does for counting costs alone.
        prepare: ``prepare()`` makes ready what every query needs, such as a data set. It is called
            before each query and must be quick after the first call.
        fidelities: Epochs that the evaluator can train for, ascending, such as ``(12, 200)``; the
            last is the full training. The evaluator declares a keyword ``epochs``.
        in_memory: True where a query is a look-up, so that a study need not be stored; by default
            where there are `rows`.
        distinct: Whether architectures of the same network (`Space.canonical`) are evaluated once.
            By default they are, unless queries are look-ups; rows decide it themselves.
        features: Scores that need no training, for methods that can use them (`OptiProxy`): names
            of `scores.SCORES`, ``"auto"`` for those that are quick and tell much, ``"none"``, or
            name → function of an architecture. By default ``"auto"`` where a query is a training
            and networks can be scored: where there are `build` and `example_input`, and the input
            is one tensor or several.
        noise: ``"none"`` where an architecture always gets the same value, as in a table of rows;
            ``"single"`` where evaluations are noisy and each architecture is evaluated once: the
            best one is then chosen by a model of all results, and not by the greatest value;
            ``"repeat"`` where in addition an architecture may be evaluated again with another seed,
            which a study does at its end (see `Study.run`, ``confirm``). None: ``"repeat"`` where
            `evaluate` declares ``seed``, else unknown, until an architecture is evaluated a second
            time.
        noiseless: A reported metric that is the first objective without its noise, where that is
            known, as the mean of many trainings: regret is measured by it. ``evaluate.optimum()``
            is its best value.
        time_limit: How long an evaluation may take: seconds, or a text such as ``"90s"``, ``"5m"``
            or ``"2h"``. One that takes longer is ended and counts as failed, where evaluations run
            in processes of their own (see `Study.run`).
        rows: The rows of a table that answers queries: they make the optimum known.
        files: The user's own files that answers are read from: a study warns when they changed.
        description: One line for ``optiproxy tasks``.
        origin: Where the numbers come from.
        measure: How each network is measured before its evaluation; see `replaced`.
        measured: The metrics that the command `measure` prints; by default it is tried once before
            the first query.
        low_fidelity: Epochs of the low-fidelity trainings that a search begins with; see
            `replaced`.
        reference: What finds the task again in another process; `tasks.load` sets it.

    Attributes:
        evaluator: The function that was given as `evaluate`, or the rows.
        exact: Metrics that cost nothing, name → function.
        cheap: Metrics that are measured before a training, name → function.
        device: What measures each network before its evaluation, or None.

    Raises:
        InvalidValueError: An argument can't be used; the message names it.
    """

    def __init__(
        self,
        name: str,
        space: Space | Network | nn.Module,
        evaluate: Evaluator | None = None,
        *,
        objectives: Objectives = (),
        constraints: Constraints = None,
        reported: Sequence[str] = (),
        metrics: Sequence[str | Metric] = (),
        build: Callable[[Architecture], nn.Module] | None = None,
        train: Trainer | None = None,
        example_input: Any = None,
        prepare: Callable[[], object] | None = None,
        fidelities: Sequence[int] = (),
        in_memory: bool | None = None,
        distinct: bool | None = None,
        features: Features | None = None,
        noise: Noise | None = None,
        noiseless: str | None = None,
        time_limit: float | str | None = None,
        rows: Rows | None = None,
        files: Sequence[Path] = (),
        description: str = "",
        origin: Origin | None = None,
        measure: str | None = None,
        measured: Sequence[str] | None = None,
        low_fidelity: int | None = None,
        reference: TaskReference | None = None,
    ) -> None:
        _arguments.check_kinds(name, space, reported)
        evaluator = _arguments.checked_evaluator(rows if evaluate is None else evaluate)
        objectives = objectives or getattr(evaluator, "objectives", ())
        reported = reported or getattr(evaluator, "reported", ())
        if example_input is None:
            example_input = getattr(evaluator, "example_input", None)
        example_input = _arguments.input_function(example_input)
        noise = noise or _arguments.noise_of(evaluator)
        _arguments.check_functions(
            build=build, train=train, example_input=example_input, prepare=prepare
        )
        space, model_space = networks.read_space(space, example_input)
        if model_space is not None and networks.takes_network(evaluator):
            evaluator = networks.OnNetworks(model_space, evaluator, fidelities)
            train = train or evaluator.train
        self.name, self.space, self.evaluator = name, space, evaluator
        self.objectives: tuple[Objective, ...] = parse_objectives(objectives)
        self.constraints: tuple[Constraint, ...] = parse_constraints(constraints)
        self.reported = tuple(reported)
        self.fidelities = _arguments.checked_fidelities(fidelities)
        self.train, self.example_input = train, example_input
        self.rows, self.files = rows, tuple(files)
        self.time_limit = (
            None if time_limit is None else durations.seconds("Task: time_limit", time_limit)
        )
        look_up = rows is not None
        self.noise: Noise | None = _arguments.checked_noise("none" if look_up else noise)
        self.in_memory = look_up if in_memory is None else truth("Task: in_memory", in_memory)
        if noiseless is not None and noiseless not in self.reported:
            raise unknown("Task: noiseless", noiseless, self.reported)
        self.noiseless = noiseless
        self.description, self.origin = description, origin or Origin()
        self.low_fidelity, self.reference = low_fidelity, reference
        self._distinct = distinct if distinct is None else truth("Task: distinct", distinct)
        self._build, self._prepare = build, prepare
        networks_known = self.can_build and example_input is not None
        # Scores take longer than a look-up.
        self._by_default = features is None and networks_known and not self.in_memory
        default = "auto" if self._by_default else ()
        self._features = checked_features(default if features is None else features)
        self._validated = False
        known = read_metrics(
            name,
            metrics,
            complete=look_up,
            model_space=model_space,
            measure=measure,
            measured=measured,
            build=self.build if self.can_build else None,
            example_input=example_input,
        )
        self.metrics, self.exact, self.cheap = known.names, known.exact, known.cheap
        self.measure, self.device = known.measure, known.device
        self.measured = None if measured is None else tuple(measured)
        check_known(self.objectives, self.constraints, self.metrics, self.reported)
        self._prefilter = Prefilter(
            self.space, self.exact, self.cheap, self.device, rows, self.constraints, self.needed
        )
        _arguments.check_evaluator(evaluator, self.fidelities)
        if low_fidelity is not None:
            _arguments.check_low_fidelity(name, low_fidelity, self.fidelities)
        self._arguments: dict[str, Any] = {
            "name": name, "space": space, "evaluate": evaluate, "objectives": self.objectives,
            "constraints": self.constraints, "reported": self.reported, "metrics": known.given,
            "build": build, "train": train, "example_input": example_input, "prepare": prepare,
            "fidelities": self.fidelities, "in_memory": in_memory, "distinct": distinct,
            "features": None if self._by_default else self._features, "noise": noise,
            "noiseless": noiseless, "time_limit": self.time_limit, "rows": rows,
            "files": self.files, "description": description, "origin": origin, "measure": measure,
            "measured": self.measured, "low_fidelity": low_fidelity, "reference": reference,
        }  # fmt: skip

    # ---- the same task with other options ----

    def replaced(
        self,
        objectives: Objectives | None = None,
        constraints: Constraints = None,
        measure: str | None = None,
        low_fidelity: int | None = None,
        measured: Sequence[str] | None = None,
        features: Features | None = None,
    ) -> Self:
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
            measured: The metrics that the command prints, where that is known.
            features: Other training-free scores.

        Raises:
            InvalidValueError: An argument can't be used.
        """
        given: dict[str, Any] = {
            "objectives": objectives or None,
            "constraints": constraints or None,
            "measure": measure,
            "low_fidelity": low_fidelity,
            "measured": measured,
            "features": features,
        }
        changes = {name: value for name, value in given.items() if value is not None}
        if measure is not None and measured is None:
            changes["measured"] = None  # Those were of another command.
        return self._again(**changes)

    def _again(self, **changes: Any) -> Self:
        """Another task of this class: `Task`'s constructor is given the same arguments but these.

        The constructor of a subclass is not called, as its arguments are not known; what it has set
        on the task is carried over.
        """
        other = type(self).__new__(type(self))
        Task.__init__(other, **{**self._arguments, **changes})
        for name, value in vars(self).items():
            computed_anew = isinstance(getattr(Task, name, None), cached_property)
            if name not in vars(other) and not computed_anew:
                setattr(other, name, value)
        return other

    @property
    def unresolved(self) -> bool:
        """Whether `resolved` has to measure: for a limit in percent, or what a command prints."""
        relative = any(constraint.relative for constraint in self.constraints)
        return relative or self._prefilter.asks_device

    def resolved(self) -> Self:
        """The same task with absolute limits alone, and with the names of what a command prints.

        A study keeps both, since a measurement gives another number each time.

        Raises:
            InvalidValueError: A relative limit's metric is known by training alone.
            DataError: See `prepare`.
        """
        if not self.unresolved:
            return self
        self.prepare()
        measured = self._prefilter.ask_device() or self.measured
        return self._again(constraints=self._prefilter.limits(), measured=measured)

    # A task that `tasks.load` found is found again in another process: its functions may live in a
    # file that can't be imported there by a name, and its data need not travel.
    def __reduce_ex__(self, protocol: SupportsIndex) -> Any:
        if self.reference is None:
            return super().__reduce_ex__(protocol)
        names = ("objectives", "constraints", "measure", "measured", "low_fidelity")
        return _found_again, (self.reference, {name: self._arguments[name] for name in names})

    def __repr__(self) -> str:
        wanted = ", ".join(o.text for o in self.objectives)
        limits = "".join(f", {c}" for c in self.constraints)
        return f"{type(self).__name__}({self.name!r}, {self.space!r}, {wanted}{limits})"

    # ---- what is known of all architectures ----

    @property
    def distinct(self) -> bool:
        """Whether architectures of the same network (`Space.canonical`) are evaluated once."""
        if self._distinct is not None:
            return self._distinct
        if self.rows is None:
            return not self.in_memory
        try:
            return self.rows.one_per_network()
        except DataError:  # A study can be read where its table is missing.
            return False

    def objective_values(self) -> NDArray[np.float64] | None:
        """The objectives of every feasible row, (rows, M) in the metrics' units; None without rows.

        Raises:
            DataError: The rows can't be read.
        """
        if self.rows is None:
            return None
        return feasible_values(self.rows, self.objectives, self._limits)

    @cached_property
    def optimum(self) -> float | None:
        """The best feasible value of the first objective; None if it is unknown or there is none.

        With `noiseless` it is that metric's best value, which is known without limits alone.

        Raises:
            DataError: The rows can't be read.
        """
        if self.noiseless is not None:
            if self.constraints:
                return None
            self.prepare()
            return float(getattr(self.evaluator, "optimum")())  # noqa: B009
        values = self.objective_values()
        if values is None or not len(values):
            return None
        sign = self.objectives[0].sign
        return float(sign * (sign * values[:, 0]).max())

    def regret(self, metrics: Mapping[str, float]) -> float:
        """How far the first objective, or its true value, is from the optimum, in its unit.

        Args:
            metrics: An architecture's, with those of the limits.

        Returns:
            At least 0. NaN where a limit is not met, also by a metric that is missing, or where the
            optimum is unknown.
        """
        if self.optimum is None or not is_feasible(metrics, self._limits):
            return math.nan
        objective = self.objectives[0]
        return objective.sign * (self.optimum - metrics[self.noiseless or objective.metric])

    @cached_property
    def _limits(self) -> tuple[Constraint, ...]:
        """The constraints with absolute bounds."""
        return self.resolved().constraints


def _found_again(reference: TaskReference, options: dict[str, Any]) -> Task:
    return reference.load()._again(**options)

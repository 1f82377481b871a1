"""The queries of a task: what its evaluator is given, and what becomes of its answer."""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, SupportsFloat

from optiproxy.errors import DataError, OptiProxyError
from optiproxy.metrics import Constraint, Objective, is_feasible
from optiproxy.spaces import Architecture
from optiproxy.tasks import _answers
from optiproxy.tasks._arguments import parameters_of
from optiproxy.tasks._early_stopping import Curve, Stopped
from optiproxy.tasks._prefilter import Prefilter
from optiproxy.tasks.evaluation import Evaluation, Evaluator, evaluation_seed
from optiproxy.tasks.rows import Rows


class TaskQueries:
    """What answers the queries of a task; see `Task` for the attributes, which it sets."""

    name: str
    evaluator: Evaluator
    objectives: tuple[Objective, ...]
    constraints: tuple[Constraint, ...]
    reported: tuple[str, ...]
    fidelities: tuple[int, ...]
    low_fidelity: int | None
    rows: Rows | None
    _prefilter: Prefilter
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
                reason = f"{type(error).__name__}: {_answers.said(error)}"
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
        self._prefilter.ask_device()
        curve = Curve(medians or {}, self.objectives[0].sign)
        with self._folder(folder) as place:
            given = self._keywords(arch, seed, epochs, curve, place)

            def evaluate() -> object:
                with _forks_end():
                    return self.evaluator(arch, **given)

            return self._evaluated(arch, evaluate, curve, given.get("epochs"))

    def evaluate(self, arch: Architecture, **keywords: Any) -> Mapping[str, SupportsFloat] | float:
        """What the evaluator itself returns, or raises, for one architecture.

        Args:
            arch: An architecture of the space.
            keywords: Of those that the evaluator declares, by default the seed of a study with seed
                0, the full training's epochs, a ``report`` that stops nothing, and a temporary
                ``folder``.
        """
        self.prepare()
        with self._folder() as place:
            defaults = self._keywords(arch, 0, None, self._no_curve, place)
            return self.evaluator(arch, **{**defaults, **keywords})

    def prefiltered(self, arch: Architecture) -> Evaluation | None:
        """What ends a query before its training; None where `arch` is to be trained.

        Returns:
            An evaluation that is `dropped` by a limit, or that failed since a measurement did.
        """
        if not self.has_prefilter:
            return None
        self._prefilter.ask_device()
        found = self._evaluated(arch, None, self._no_curve)
        return found if found.dropped or found.metrics is None else None

    def answered(self, arch: Architecture, metrics: object) -> Evaluation:
        """The evaluation of `arch` by another program.

        Args:
            arch: An architecture of the space.
            metrics: What an evaluator might have returned.
        """
        self._prefilter.ask_device()
        return self._evaluated(arch, lambda: metrics, self._no_curve)

    @property
    def reports_curve(self) -> bool:
        """Whether the evaluator reports its learning curve."""
        return "report" in parameters_of(self.evaluator)

    @property
    def wants_folder(self) -> bool:
        """Whether the evaluator declares a ``folder`` for its checkpoint and its network."""
        return "folder" in parameters_of(self.evaluator)

    def cost(self, epochs: int | None) -> float:
        """Cost of `epochs` epochs as a fraction of full training; None means full training."""
        return 1.0 if epochs is None else epochs / self.fidelities[-1]

    @property
    def has_prefilter(self) -> bool:
        """Whether a limit may be found broken before a training, which is then spared."""
        return self._prefilter.may_drop

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

    # ---- one evaluation ----

    @property
    def _no_curve(self) -> Curve:
        return Curve({}, self.objectives[0].sign)

    def _keywords(
        self, arch: Architecture, seed: int, epochs: int | None, curve: Curve, folder: Path | None
    ) -> dict[str, Any]:
        """The evaluator's keywords, of those that it declares."""
        parameters = parameters_of(self.evaluator)
        found: dict[str, Any] = {}
        if "seed" in parameters:
            found["seed"] = evaluation_seed(seed, arch)
        if self.fidelities:
            found["epochs"] = self.fidelities[-1] if epochs is None else epochs
        if "report" in parameters:
            found["report"] = curve
        if "folder" in parameters:
            found["folder"] = folder
        return found

    @contextmanager
    def _folder(self, folder: Path | None = None) -> Iterator[Path | None]:
        """The evaluator's folder, by default a temporary one; None if it takes none."""
        if not self.wants_folder or folder is not None:
            yield folder
            return
        with tempfile.TemporaryDirectory(prefix="optiproxy-") as temporary:
            yield Path(temporary)

    def _evaluated(
        self,
        arch: Architecture,
        evaluate: Callable[[], object] | None,
        curve: Curve,
        epochs: int | None = None,
    ) -> Evaluation:
        """An architecture's evaluation; whatever goes wrong in it is a failure.

        Args:
            arch: An architecture of the space.
            evaluate: The rest of the evaluation, if no limit is broken by what is measured before;
                None for those measurements alone.
            curve: What `evaluate` reports to.
            epochs: How many it trains for, if that is known.
        """
        known: dict[str, Any] = {}
        start = time.perf_counter()
        try:
            # Measured first: a network that can't be measured is not trained.
            known, broken = self._prefilter.measured(arch)
            if broken or evaluate is None:
                return Evaluation(
                    _answers.finite(known),
                    time.perf_counter() - start,
                    dropped=broken,
                    measured=_answers.how_measured(known),
                )
            # Values measured before override the evaluator's: they decided that it was trained.
            found = {**_answers.mapping(evaluate(), self.objectives, known), **known}
            metrics, left_out = _answers.checked(found, self.needed)
        except Stopped as error:
            # Without fidelities, a full training is as long as the longest one so far.
            length = epochs or curve.longest
            return Evaluation(
                None,
                time.perf_counter() - start,
                str(error),
                curve=tuple(curve.points),
                stopped=True,
                known=_answers.finite(known),
                cost=min(1.0, error.trained / length),
            )
        except (KeyboardInterrupt, GeneratorExit):
            raise
        except BaseException as error:
            failure = _answers.failure(error, time.perf_counter() - start)
            return replace(failure, curve=tuple(curve.points))
        return Evaluation(
            metrics,
            time.perf_counter() - start,
            measured=_answers.how_measured(found),
            curve=tuple(curve.points),
            left_out=left_out,
        )


@contextmanager
def _forks_end() -> Iterator[None]:
    """Ends a process that the evaluator forked, so that it does not go on with the search."""
    process, code = os.getpid(), 1
    try:
        yield
        code = 0
    except SystemExit as error:
        code = error.code if isinstance(error.code, int) else int(error.code is not None)
        raise
    finally:
        if os.getpid() != process:
            os._exit(code)

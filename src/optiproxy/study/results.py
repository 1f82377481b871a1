"""What is read of a study: its budgets, its queries, the best, its report."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, cast

import optuna

from optiproxy.errors import StudyError, invalid
from optiproxy.report.diagnostics import Diagnosis, diagnose
from optiproxy.search import Optimizer
from optiproxy.search.warm_start import Earlier
from optiproxy.study import _results
from optiproxy.study._budget import Budget
from optiproxy.study._folders import Folders, TemporaryFolder, beside
from optiproxy.study._method import Method
from optiproxy.study._scores import TimedScores
from optiproxy.study._storage.identity import (
    BUDGET,
    CHEAP_BUDGET,
    CONFIRM,
    TIME_LIMIT,
    Identity,
)
from optiproxy.study._storage.open import Storage, quiet, shown
from optiproxy.study._storage.stored_trial import State
from optiproxy.study._storage.trials import Trials
from optiproxy.study._storage.warm_start import first_queries, leads_at_once
from optiproxy.study._stored import code_named
from optiproxy.study.best import Best
from optiproxy.study.records import Record, Seconds
from optiproxy.tasks import Task

if TYPE_CHECKING:
    import pandas as pd

    from optiproxy.report.html import Search
    from optiproxy.scores import NetworkScores

# How many architectures may be measured for each one that is trained: with a limit that one in ten
# meets, even a search that never learns from the measurements has enough.
CHEAP_FACTOR = 10


class StudyResults:
    """A study as it is read; `Study` sets the attributes."""

    name: str
    task: Task
    method: str
    seed: int
    storage: Storage
    identity: Identity
    notes: list[str]
    optuna: optuna.Study
    proxy: str | None
    _trials: Trials
    _earlier: Sequence[Earlier]
    _begun: str | None = None

    @property
    def place(self) -> str:
        """The storage as text: ``memory``, a path, or a URL without its password."""
        return shown(self.storage)

    @property
    def budget(self) -> int:
        """The budget of the last run, or what was spent if that is more; 0 before."""
        return int(self.optuna.user_attrs.get(BUDGET, 0))

    @property
    def spent(self) -> float:
        """What finished evaluations cost of the budget, in full trainings, repeats among them."""
        return sum((record.cost + len(record.repeats) for record in self.queries), 0.0)

    @property
    def cheap_budget(self) -> int | None:
        """The cheap budget that the study was last given; None for the default."""
        kept: int | None = self.optuna.user_attrs.get(CHEAP_BUDGET)
        return kept

    @property
    def confirm(self) -> int | None:
        """How many evaluations repeat the best, as a run was last given it; None for default."""
        kept: int | None = self.optuna.user_attrs.get(CONFIRM)
        return kept

    @property
    def time_limit(self) -> float | None:
        """Seconds that an evaluation may take, as a run was last given it; None for the task's."""
        limit: float | None = self.optuna.user_attrs.get(TIME_LIMIT)
        return limit

    @property
    def code(self) -> tuple[str, ...]:
        """The Python file that `load` imports, and the command that a search measures with."""
        return tuple(code_named(self.identity, outside=False))

    def _cheap_budget(self, budget: int) -> int:
        return self.cheap_budget or CHEAP_FACTOR * budget

    @property
    def _whole_budget(self) -> Budget:
        return Budget(self.task, self.budget, self._cheap_budget(self.budget))

    # ---- what was found ----

    @property
    def queries(self) -> tuple[Record, ...]:
        """Every finished query, by its number."""
        return tuple(_results.records(self._trials))

    @property
    def dropped(self) -> tuple[Record, ...]:
        """What was measured and not trained, since it breaks the limit that `reason` names.

        These are no queries; they have numbers of their own, in the order of the proposals.
        """
        return tuple(_results.dropped(self._trials))

    @property
    def best(self) -> Best | None:
        """The best feasible architecture by the first objective; None before there is one."""
        found = _results.best(self.queries, self.task, self.seed)
        return None if found is None else self._with_folder(found)

    @property
    def tied(self) -> tuple[Best, ...]:
        """Confirmed architectures whose mean differs from the best one's by less than its standard
        error: which of them is the best is not known.
        """
        found = _results.tied(self.queries, self.task, self.seed)
        return tuple(map(self._with_folder, found))

    @property
    def pareto(self) -> tuple[Best, ...]:
        """The feasible architectures that no other one dominates; empty for one objective."""
        found = _results.pareto(self.queries, self.task, self.seed)
        return tuple(map(self._with_folder, found))

    def evaluated(self, query: int) -> Best:
        """A finished query with its network, as `best` is one.

        Raises:
            InvalidValueError: There is no finished query of this number.
            StudyError: It failed.
        """
        queries = self.queries
        record = next((record for record in queries if record.query == query), None)
        if record is None:
            raise invalid("query", query, f"the study has {len(queries)} finished ones")
        if record.metrics is None:
            raise StudyError(f"query {query} failed: {record.reason}")
        return self._with_folder(Best(record, self.task, self.seed))

    def _with_folder(self, found: Best) -> Best:
        folder = self.folder(found.query)
        held = self._temporary if folder is not None and self.storage is None else None
        return replace(found, folder=folder, held=held)

    @property
    def random_queries(self) -> int:
        """How many of the first queries the method chose before it had learnt from results.

        They are random, except those with a high training-free score and those that a study of
        another space predicts to be good.
        """
        if self.method == "random":
            return len(self.queries)
        if leads_at_once(self.optuna):
            return 0  # The first ones follow from the earlier studies.
        drawn = self._whole_budget.drawn(self._optimizer)
        if not self.task.has_prefilter:
            return drawn
        return sum(t.state is not State.DROPPED for t in self._trials.read()[:drawn])

    @property
    def start(self) -> str:
        """``random``, or ``initial`` where scores or earlier studies chose half of those."""
        return first_queries(self.optuna, self.identity.features)

    @property
    def batches(self) -> tuple[int, ...]:
        """How many architectures the method proposed at once, each time."""
        return tuple(_results.batches(self._trials))

    @property
    def seconds(self) -> Seconds:
        """Where the time went, over all sessions up to their last results."""
        return _results.seconds(self._trials)

    @property
    def scored(self) -> tuple[int, float]:
        """How many networks training-free scores were computed for, and the seconds it took."""
        return (self._scores.networks, self._scores.seconds) if self._scores else (0, 0.0)

    @property
    def diagnoses(self) -> list[Diagnosis]:
        """Warnings about the search, which `run` adds to `notes`.

        Mode collapse, a proxy that does not predict the measurements, a limit that most queries
        break: see `optiproxy.report.diagnose`.
        """
        objective = self.task.objectives[0]
        return diagnose(
            [record.plain() for record in self.queries],
            objective=objective.metric,
            direction=objective.direction,
            constraints=[c.text for c in self.task.constraints],
            initial=self.random_queries,
        )

    def __repr__(self) -> str:
        best = self.best
        found = "" if best is None else f", best {best.metrics}"
        return f"Study({self.name!r} in {self.place}, {len(self.queries)} queries{found})"

    # ---- the method ----

    @cached_property
    def _method(self) -> Method:
        return Method(self.method, self.proxy, self._begun)

    @cached_property
    def _scores(self) -> TimedScores | None:
        """The training-free scores of the task's networks, if the method uses them."""
        if not (self.task.score_names and self._method.uses_features):
            return None
        scores = cast("Callable[[], NetworkScores]", lambda: self.task.features)
        kept = beside(self.storage, self.name, "scores.json")
        return TimedScores(scores, lambda: self.seconds.oracle, kept)

    # To read a stored study, or to store an answer, needs no method, and mostly not torch.
    @cached_property
    def _optimizer(self) -> Optimizer:
        return self._method.optimizer(self.task, self.seed, self._earlier, self._scores)

    # ---- files and pages ----

    @cached_property
    def _folders(self) -> Path:
        """The folder of the queries' folders: beside a journal file, else in the working folder.

        For a study in memory it is a temporary one, which goes with the study and what was found.
        """
        stored = beside(self.storage, self.name, "queries")
        return self._temporary.path if stored is None else stored

    @cached_property
    def _temporary(self) -> TemporaryFolder:
        return TemporaryFolder()

    def folder(self, query: int) -> Path | None:
        """The folder in which a query's evaluator kept its files; None if there is none (any more).

        Args:
            query: The number of a finished query.
        """
        if not self.task.wants_folder:
            return None
        found = _results.by_number(self._trials).get(query)
        if found is None:
            return None
        folder = Folders(self._folders).of(found[1])
        return folder if folder.is_dir() else None

    def report(self, path: str | os.PathLike[str]) -> Path:
        """Writes the study as one self-contained HTML file and returns its path.

        It has the best architecture, drawn; the warnings, the convergence (with that of the same
        search with other seeds in the same storage), which choices matter, all queries, where the
        time went, and the command and versions that made it.

        Raises:
            InvalidValueError: There is no query yet, or `path` is not an ``.html`` file in a
                folder.
        """
        from optiproxy.report.html import html_report

        return html_report(self._searched(), path)

    def html(self) -> str:
        """The page that `report` writes, as text.

        Raises:
            InvalidValueError: There is no query yet.
        """
        from optiproxy.report.html import render

        return render(self._searched())

    def _searched(self) -> Search:
        from optiproxy.study._reporting import searched

        place = None if self.storage is None else self.place
        with quiet():
            return searched(self._trials, self.identity, self.random_queries, place, self._begun)

    def _repr_html_(self) -> str:
        """The study in a notebook."""
        from optiproxy.study._reporting import cell

        with quiet():
            return cell(self._trials, self.identity, self.notes)

    def dataframe(self) -> pd.DataFrame:
        """One row a query: its number, the choices, the metrics, `feasible`, `failed`, `seconds`.

        A choice or a metric whose name is taken by another column is ``choice:NAME`` or
        ``metric:NAME``.

        Raises:
            OptiProxyError: pandas is not installed.
        """
        return _results.dataframe(self.queries)

"""A search that lasts: it can be stopped anywhere, read back and gone on with."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Executor
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import optuna

from optiproxy._version import __version__
from optiproxy.errors import StudyError, invalid, whole_number
from optiproxy.metrics import Function, Metric
from optiproxy.report.diagnostics import Diagnosis, diagnose
from optiproxy.search.warm_start import EarlierStudy, read_earlier
from optiproxy.spaces import Architecture, Space
from optiproxy.study import _results
from optiproxy.study._budget import Plan
from optiproxy.study._checks import check_cheap_budget, workers_of
from optiproxy.study._method import Method
from optiproxy.study._session import run_session
from optiproxy.study._storage.identity import BUDGET, CHEAP_BUDGET, Identity, default_name
from optiproxy.study._storage.open import Storage, open_storage, quiet, shown, storage_errors
from optiproxy.study._storage.trials import Ledger, State
from optiproxy.study._storage.warm_start import ATTRIBUTE as WARM_START
from optiproxy.study._storage.warm_start import keep_earlier
from optiproxy.study._stored import bounded, found_again, stored_identity
from optiproxy.study.records import Found, Record, Seconds
from optiproxy.tasks import Task
from optiproxy.tasks.task import Evaluator

if TYPE_CHECKING:
    import pandas as pd
    from torch import nn

_logger = logging.getLogger("optiproxy.study")

# How many architectures may be measured for each one that is trained: at a limit that one in ten
# keeps, even a search that never learns of it has enough.
CHEAP_FACTOR = 10


class Study:
    """A search with its history, kept by Optuna in memory, in a journal file or in a database.

    >>> import optiproxy as op
    >>> space = op.spaces.Chain({"width": [16, 32], "kernel": [3, 5, 7]})
    >>> study = op.Study("toy", space, lambda arch: arch["width"] / arch["kernel"],
    ...                  objectives={"score": "max"}, method="random")
    >>> study.run(budget=6)
    >>> study.best.architecture
    Architecture(width=32, kernel=3)

    Making a study of a name that is stored already opens it: what it has is kept, and `run` goes on
    with it. With one worker the result is that of an uninterrupted search, also after a kill -9.

    Args:
        name: The study's name in its storage.
        space: What is searched.
        evaluate: ``evaluate(arch) → {metric: value}``; see `optiproxy.Task`.
        objectives: Metric → ``"max"`` or ``"min"``; the first one ranks.
        constraints: Metric → ``"<= NUMBER"`` or ``">= NUMBER"``; a relative one (``"<= 60%"``) is
            resolved once, and its bound kept with the study.
        reported: Metrics that are kept and never shown to the optimiser (test accuracy).
        metrics: The names of all metrics, where they are known beforehand, or a `Metric` for each
            that need not be trained for; see `optiproxy.Task`.
        build: ``build(arch) → nn.Module``; by default the space's own.
        features: Scores that cost no training, name → function of an architecture; see
            `optiproxy.OptiProxy`.
        method: ``"optiproxy"`` or a baseline's name.
        proxy: The model behind ``"optiproxy"``; None for its default.
        storage: None for memory, a path for a journal file, or a database's URL;
            ``optuna-dashboard`` opens both.
        seed: Same seed, same search.
        warm_start: Earlier studies of the same space, as `optiproxy.OptiProxy` takes them; what
            they teach is kept with this study.

    Raises:
        InvalidValueError: An argument can't be used; the message names it.
        StudyError: The storage can't be opened, or the stored study is another search.
    """

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
        features: Mapping[str, Function] = MappingProxyType({}),
        method: str = "optiproxy",
        proxy: str | None = None,
        storage: Storage = None,
        seed: int = 0,
        warm_start: Iterable[Any] = (),
    ) -> None:
        task = Task(
            name,
            space,
            evaluate,
            objectives=objectives,
            constraints=constraints,
            reported=reported,
            metrics=metrics,
            build=build,
            features=features,
        )
        self._open(name, task, method, proxy, storage, seed, warm_start)

    @classmethod
    def of(
        cls,
        task: Task,
        *,
        name: str | None = None,
        method: str = "optiproxy",
        proxy: str | None = None,
        storage: Storage = None,
        seed: int = 0,
        warm_start: Iterable[Any] = (),
    ) -> Study:
        """A study of a task.

        Args:
            task: What is searched, and how it is evaluated.
            name: By default the task's, the method's and the seed, with hyphens.
            method: ``"optiproxy"`` or a baseline's name.
            proxy: The model behind ``"optiproxy"``; None for its default.
            storage: None for memory, a path for a journal file, or a database's URL.
            seed: Same seed, same search.
            warm_start: Earlier studies of the same space, as `optiproxy.OptiProxy` takes them.
        """
        if not isinstance(task, Task):
            raise invalid("Study.of: task", task, "give a Task, such as op.Task(...)")
        study = cls.__new__(cls)
        name = name or default_name(task, method, seed)
        study._open(name, task, method, proxy, storage, seed, warm_start)
        return study

    @classmethod
    def load(cls, name: str, storage: Storage) -> Study:
        """Opens a stored study by its name, with the task that it was made from.

        Raises:
            StudyError: There is no such study, or its task was made in a program and has no name to
                load it by (make the study there again, with its name and storage).
        """
        found = stored_identity(name, storage)
        if found.reference is None:
            raise StudyError(
                f"study {name!r}: its task {found.task!r} was made in a program; run that again, "
                "with the same name and storage, and it goes on"
            )
        task = found_again(*found.reference).replaced(
            found.objectives, found.constraints, found.measure, found.low_fidelity
        )
        return cls.of(
            task,
            name=name,
            method=found.method,
            proxy=found.proxy,
            storage=storage,
            seed=found.seed,
        )

    def _open(
        self,
        name: str,
        task: Task,
        method: str,
        proxy: str | None,
        storage: Storage,
        seed: int,
        warm_start: Iterable[Any],
    ) -> None:
        if not isinstance(name, str) or not name:
            raise invalid("study: name", name, "give a short text")
        if storage is not None and not isinstance(storage, str | os.PathLike):
            raise invalid("storage", storage, "give a path, a database's URL, or None for memory")
        asked = (
            [c.text for c in task.constraints] if any(c.relative for c in task.constraints) else []
        )
        if task.unresolved:
            task = bounded(task, asked, name, storage)
        self.name = name
        self.task = task
        self.method = method
        self.seed = seed
        self.storage = storage
        self.notes: list[str] = []
        self._method = chosen = Method(method, proxy)
        self.proxy = chosen.proxy
        earlier: Sequence[EarlierStudy] = read_earlier(task.space, warm_start, task.objectives)
        if earlier:
            chosen.check_warm_start()
        # Made before there is a file: bad arguments are told first.
        self._optimizer = chosen.optimizer(task, seed)
        self.seed = seed = self._optimizer.seed
        self.identity = Identity.of(
            task, method, self.proxy, seed, version=__version__, asked=asked
        )
        self.opened = opened = open_storage(storage)
        with quiet(), storage_errors(storage):
            if name not in optuna.get_all_study_names(opened):  # One that is there is only read.
                optuna.create_study(
                    storage=opened,
                    study_name=name,
                    directions=["maximize" if o.sign > 0 else "minimize" for o in task.objectives],
                    load_if_exists=True,  # Another process may have made it in the meantime.
                )
            self.optuna = optuna.load_study(
                storage=opened,
                study_name=name,
                # Never asked: whole vectors are written. The default one would warn and cost time.
                sampler=optuna.samplers.RandomSampler(seed=0),
                pruner=optuna.pruners.NopPruner(),
            )
            begun = self.identity.claim(self.optuna, shown(storage))
            self._changed = begun.code not in (None, self.identity.code)
            earlier = keep_earlier(self.optuna, task, earlier)
        if earlier:
            self._optimizer = chosen.optimizer(task, seed, earlier)
        self._ledger = Ledger(self.optuna, opened, task)

    # ---- running ----

    def run(
        self,
        budget: int = 100,
        *,
        cheap_budget: int | None = None,
        workers: int | None = None,
        executor: Executor | None = None,
        callback: Callable[[Record], None] | None = None,
    ) -> None:
        """Searches until the study has `budget` queries, those of earlier runs and failed ones too.

        Where the task has a `low_fidelity`, the budget is that of full trainings: short ones count
        as the part of one that they are, guide the search, and are no candidates for the best.

        Stops earlier where the space or the cheap budget is used up; `notes` says so. Ctrl-C keeps
        all that is finished, and what was running is repeated by the next `run`.

        Args:
            budget: How many queries the study has in the end.
            cheap_budget: How many architectures have been measured for their limits in the end,
                where that comes before a training (`Metric`, ``measure``). Those of them that break
                a limit are dropped untrained and are no queries. The study keeps it; by default it
                is what an earlier run gave, else ten times `budget`.
            workers: How many evaluations run at once, by default 1: in this process. More run in
                processes of their own; one that dies is recorded as a failure.
            executor: Any ``concurrent.futures.Executor`` to evaluate on, such as
                ``client.get_executor()`` of ``dask.distributed``, or one of submitit's; `workers`
                says how many evaluations it is given at once.
            callback: Called in this process with each result of this run.

        Raises:
            InvalidValueError: An argument can't be used, or the task can't be sent to worker
                processes. No query is spent.
            DataError: The task's data are missing or broken. No query is spent.
            StudyError: The executor broke, or a worker can't load the task.
            KeyboardInterrupt: Ctrl-C.
        """
        budget = whole_number("budget", budget)
        kept = cheap_budget or self._cheap_budget(budget)
        check_cheap_budget(self.task, cheap_budget, kept, budget)
        workers = workers_of(workers, executor)
        if callback is not None and not callable(callback):
            raise invalid("callback", callback, "give a function of one record")
        self.task.prepare()
        if self._method.knows_networks:  # Of a table its rows tell, which are read by now.
            self._optimizer.distinct = self.task.distinct
        if not self.queries:
            self.task.validate()
        elif self._changed:
            self._note(
                f"the file of task {self.task.name!r} has changed since this study was begun; what "
                "was measured before is kept as it is"
            )
        with storage_errors(self.storage):
            self.optuna.set_user_attr(BUDGET, max(budget, self.budget))
            if cheap_budget is not None:
                self.optuna.set_user_attr(CHEAP_BUDGET, int(cheap_budget))
            run_session(
                self._ledger,
                self._optimizer,
                self.seed,
                budget=budget,
                cheap_budget=kept,
                workers=workers,
                executor=executor,
                shared=self.storage is not None,
                finished=callback or (lambda record: None),
                note=self._note,
            )
        for diagnosis in self.diagnoses:
            self._note(str(diagnosis))

    def _note(self, text: str) -> None:
        if text not in self.notes:
            self.notes.append(text)
            _logger.warning("%s", text)

    # ---- what is known ----

    @property
    def budget(self) -> int:
        """The greatest budget that the study was run with; 0 before the first run."""
        return int(self.optuna.user_attrs.get(BUDGET, 0))

    @property
    def cheap_budget(self) -> int | None:
        """The cheap budget that the study was last given; None where it has the default."""
        kept: int | None = self.optuna.user_attrs.get(CHEAP_BUDGET)
        return kept

    def _cheap_budget(self, budget: int) -> int:
        return self.cheap_budget or CHEAP_FACTOR * budget

    @property
    def random_queries(self) -> int:
        """How many of the first queries the method draws at random, before it has learnt."""
        if self.method == "random":
            return len(self.queries)
        if self.optuna.user_attrs.get(WARM_START):
            return 0  # Its first ones follow the earlier studies.
        plan = Plan(self.task, self.budget, self._cheap_budget(self.budget))
        drawn = plan.drawn(self._optimizer)
        if not self.task.has_prefilter:
            return drawn
        return sum(e.state is not State.DROPPED for e in self._ledger.read()[:drawn])

    @property
    def queries(self) -> tuple[Record, ...]:
        """Every query that is over, by its number."""
        return tuple(_results.records(self._ledger.read(), self.task))

    @property
    def dropped(self) -> tuple[Record, ...]:
        """What was measured and not trained, since a cheap metric breaks a limit; `reason` says
        which. These are no queries; they are numbered by themselves, in the order of the proposals.
        """
        entries = [e for e in self._ledger.read() if e.state is State.DROPPED]
        return tuple(entry.record(n, self.task) for n, entry in enumerate(entries, start=1))

    @property
    def best(self) -> Found | None:
        """The best feasible architecture by the first objective; None before there is one."""
        return _results.best(self.queries, self.task)

    @property
    def pareto(self) -> tuple[Found, ...]:
        """The feasible architectures that none beats in all objectives; empty for one objective."""
        return _results.pareto(self.queries, self.task)

    @property
    def diagnoses(self) -> list[Diagnosis]:
        """What the search should be looked at for; `run` adds it to `notes`.

        Mode collapse, a proxy that does not predict what is measured, a limit that most queries
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

    @property
    def seconds(self) -> Seconds:
        """Where the time went, over all sessions up to their last results."""
        records = (*self.queries, *self.dropped)
        return Seconds(
            total=self._ledger.session_seconds(),
            optimizer=sum(r.optimizer_seconds for r in records),
            oracle=sum(r.seconds for r in records),
        )

    def __repr__(self) -> str:
        best = self.best
        found = "" if best is None else f", best {best.metrics}"
        return f"Study({self.name!r} in {shown(self.storage)}, {len(self.queries)} queries{found})"

    def report(self, path: str | os.PathLike[str]) -> Path:
        """Writes the study as one HTML file that needs nothing else, and returns its path.

        What it found, what to look at, its course (with that of the same search with other seeds in
        the same storage), all its queries, where the time went, and what made it.

        Raises:
            InvalidValueError: There is no query yet, or `path` is no ``.html`` file in a folder.
        """
        from optiproxy.report.html import html_report
        from optiproxy.study._reporting import searched

        with quiet():
            return html_report(searched(self), path)

    def dataframe(self) -> pd.DataFrame:
        """One row a query: its number, the choices, the metrics, `feasible`, `failed`, `seconds`.

        A choice or a metric whose name is taken by another column is ``choice:NAME`` or
        ``metric:NAME``.

        Raises:
            OptiProxyError: pandas is not installed.
        """
        return _results.dataframe(self.queries)

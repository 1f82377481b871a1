"""A search that lasts: it can be stopped anywhere, read back and gone on with."""

from __future__ import annotations

import inspect
import logging
import os
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Executor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import optuna

import optiproxy
from optiproxy.errors import (
    InvalidValueError,
    OptiProxyError,
    StudyError,
    invalid,
    unknown,
    whole_number,
)
from optiproxy.metrics import Function, Metric
from optiproxy.proxies import PROXIES
from optiproxy.report.diagnostics import Diagnosis, diagnose
from optiproxy.search import METHODS, Optimizer
from optiproxy.search._earlier import EarlierStudy, read_earlier
from optiproxy.spaces import Architecture, Space
from optiproxy.study._identity import BUDGET, Identity
from optiproxy.study._interrupts import Interrupts
from optiproxy.study._ledger import Ledger, State
from optiproxy.study._plan import Plan
from optiproxy.study._pool import Borrowed, InProcess, Pool, Processes
from optiproxy.study._runner import Runner
from optiproxy.study._storage import Storage, open_storage
from optiproxy.study._warm import keep_earlier
from optiproxy.study.records import Found, Record
from optiproxy.tasks import Reference, Task, load
from optiproxy.tasks.base import Evaluator

if TYPE_CHECKING:
    import pandas as pd
    from torch import nn

_logger = logging.getLogger("optiproxy.study")

# How many architectures may have their cheap metrics measured for each one that is trained.
CHEAP_FACTOR = 10

# The runs of this process that go on: a trial of any other run of it was left behind.
_ACTIVE: set[str] = set()


@dataclass(frozen=True)
class Seconds:
    """Where the time went: `total` of all sessions, of it `optimizer`; `oracle` of all workers."""

    total: float
    optimizer: float
    oracle: float


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
        if storage is None or ("://" not in os.fspath(storage) and not os.path.exists(storage)):
            # Opening it would make an empty one.
            raise StudyError(f"storage: there is no file {storage!r}; say where the study is kept")
        opened = open_storage(storage)
        names = optuna.get_all_study_names(opened)
        if name not in names:
            raise StudyError(str(unknown(f"study in {storage}", name, names)))
        with _quiet():
            found = Identity.stored(optuna.load_study(study_name=name, storage=opened))
        if found is None:
            raise StudyError(f"study {name!r} in {storage} was not made by OptiProxy")
        if found.reference is None:
            raise StudyError(
                f"study {name!r}: its task {found.task!r} was made in a program; run that again, "
                "with the same name and storage, and it goes on"
            )
        task = _found_again(*found.reference).replaced(
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
        if asked:
            task.prepare()
            task = _bounded(task, asked, name, storage)
        self.name = name
        self.task = task
        self.method = method
        self.seed = seed
        self.storage = storage
        self.notes: list[str] = []
        make = METHODS.get(method)
        self.proxy = proxy_of(make, method, proxy)
        earlier: Sequence[EarlierStudy] = read_earlier(task.space, warm_start, task.objectives)
        if earlier and not _takes(make, "warm_start"):
            raise invalid("warm_start", method, "this method can't use one; leave it out")
        options: dict[str, Any] = {"proxy": self.proxy} if self.proxy is not None else {}
        if _takes(make, "exact") and (exact := _exact(task)):
            options["exact"] = exact
        if _takes(make, "distinct"):
            options["distinct"] = task.distinct

        def optimizer(**more: Any) -> Optimizer:
            made: Optimizer = make(
                task.space,
                {o.metric: o.direction for o in task.objectives},
                constraints=[c.text for c in task.constraints],
                seed=seed,
                **options,
                **more,
            )
            return made

        self._optimizer = optimizer()  # Bad arguments are told before a file is made.
        self.seed = seed = self._optimizer.seed
        self.identity = Identity.of(
            task, method, self.proxy, seed, version=optiproxy.__version__, asked=asked
        )
        self.opened = opened = open_storage(storage)
        with _quiet(), _storage_errors(storage):
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
            self.identity.claim(self.optuna, f"{storage}" if storage is not None else "memory")
            earlier = keep_earlier(self.optuna, task, earlier)
        if earlier:
            pairs = [study.pairs(task.space) for study in earlier]
            self._optimizer = optimizer(warm_start=pairs)
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

        Stops earlier where the space is used up; `notes` says so. Ctrl-C keeps all that is
        finished, and what was running is repeated by the next `run`.

        Args:
            budget: How many queries the study has in the end.
            cheap_budget: How many architectures have their cheap metrics measured in the end, those
                among them that break a limit and are dropped untrained, which are no queries; by
                default ten times `budget`.
            workers: How many evaluations run at once, by default 1: in this process. More run in
                processes of their own; one that dies is recorded as a failure.
            executor: Any ``concurrent.futures.Executor`` to evaluate on, such as
                ``client.get_executor()`` of ``dask.distributed``; `workers` says how many
                evaluations it is given at once.
            callback: Called in this process with each result of this run.

        Raises:
            InvalidValueError: `budget` or `workers` can't be used, or the task can't be sent to
                worker processes. No query is spent.
            DataError: The task's data are missing or broken. No query is spent.
            StudyError: The executor broke, or a worker can't load the task.
            KeyboardInterrupt: Ctrl-C.
        """
        budget = whole_number("budget", budget)
        if cheap_budget is None:
            cheap_budget = CHEAP_FACTOR * budget
        cheap_budget = whole_number("cheap_budget", cheap_budget)
        if cheap_budget < budget:
            raise invalid(
                "cheap_budget", cheap_budget, f"give {budget} or more: what is trained is measured"
            )
        workers = _workers(workers, executor)
        self.task.prepare()
        run = uuid.uuid4().hex
        with _storage_errors(self.storage):
            self.optuna.set_user_attr(BUDGET, max(budget, self.budget))
            self._ledger.begin(run)
        with Interrupts() as interrupts, _active(run), _storage_errors(self.storage):
            pool = self._pool(workers, executor, interrupts)
            done = False
            try:
                Runner(
                    self._ledger,
                    self._optimizer,
                    pool,
                    workers=workers,
                    plan=Plan(self.task, budget),
                    cheap_budget=cheap_budget,
                    active=_ACTIVE,
                    shared=self.storage is not None,
                    interrupts=interrupts,
                    finished=callback or (lambda record: None),
                    note=self._note,
                ).run()
                done = True
            finally:
                pool.close(kill=not done)
        for diagnosis in self.diagnoses:
            self._note(str(diagnosis))

    def _pool(self, workers: int, executor: Executor | None, interrupts: Interrupts) -> Pool:
        if executor is not None:
            return Borrowed(self.task, self.seed, executor)
        if workers == 1:
            return InProcess(self.task, self.seed, interrupts)
        return Processes(self.task, self.seed, workers)

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
    def random_queries(self) -> int:
        """How many of the first queries the method draws at random, before it has learnt."""
        if self.method == "random":
            return len(self.queries)
        return int(getattr(self._optimizer, "n_init", 0))

    @property
    def queries(self) -> tuple[Record, ...]:
        """Every query that is over, by its number."""
        entries = [e for e in self._ledger.read() if e.state is not State.DROPPED]
        return tuple(e.record(n, self.task) for n, e in enumerate(entries, start=1) if e.counted)

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
        metric, sign = self.task.objectives[0].metric, self.task.objectives[0].sign
        return max(self._feasible(), key=lambda f: sign * f.metrics[metric], default=None)

    @property
    def pareto(self) -> tuple[Found, ...]:
        """The feasible architectures that none beats in all objectives; empty for one objective."""
        objectives = self.task.objectives
        feasible = self._feasible()
        if len(objectives) == 1 or not feasible:
            return ()
        scores = np.array([[o.sign * f.metrics[o.metric] for o in objectives] for f in feasible])
        return tuple(
            found
            for found, score in zip(feasible, scores, strict=True)
            if not np.any(np.all(scores >= score, axis=1) & np.any(scores > score, axis=1))
        )

    def _feasible(self) -> list[Found]:
        return [
            Found(r.query, r.architecture, r.metrics, self.task)
            for r in self.queries
            if r.metrics is not None and r.feasible and r.epochs is None
        ]

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
        where = "memory" if self.storage is None else os.fspath(self.storage)
        return f"Study({self.name!r} in {where}, {len(self.queries)} queries{found})"

    def report(self, path: str | os.PathLike[str]) -> Path:
        """Writes the study as one HTML file that needs nothing else, and returns its path.

        What it found, what to look at, its course (with that of the same search with other seeds in
        the same storage), all its queries, where the time went, and what made it.

        Raises:
            InvalidValueError: There is no query yet, or `path` is no ``.html`` file in a folder.
        """
        from optiproxy.report.html import html_report
        from optiproxy.study._reporting import searched

        with _quiet():
            return html_report(searched(self), path)

    def dataframe(self) -> pd.DataFrame:
        """One row a query: its number, the choices, the metrics, `feasible`, `failed`, `seconds`.

        Raises:
            OptiProxyError: pandas is not installed.
        """
        try:
            import pandas
        except ImportError:
            raise OptiProxyError("dataframe: pandas is missing; pip install pandas") from None
        rows: list[dict[str, Any]] = [
            {
                "query": r.query,
                **r.architecture,
                **(r.metrics or {}),
                "feasible": r.feasible,
                "failed": r.reason,
                "seconds": r.seconds,
            }
            for r in self.queries
        ]
        return pandas.DataFrame(rows)


def _exact(task: Task) -> dict[str, Function]:
    """The exact metrics that the search is asked for."""
    return {name: task.exact[name] for name in task.needed if name in task.exact}


def _bounded(task: Task, asked: list[str], name: str, storage: Storage) -> Task:
    """The task with absolute limits: those of a stored study, where it was asked for the same."""
    if storage is not None and ("://" in os.fspath(storage) or os.path.exists(storage)):
        opened = open_storage(storage)
        if name in optuna.get_all_study_names(opened):
            with _quiet():
                found = Identity.stored(optuna.load_study(study_name=name, storage=opened))
            if found is not None and found.asked == asked:
                return task.replaced(constraints=found.constraints)
    return task.resolved()


def default_name(task: Task, method: str, seed: int) -> str:
    """The name of a study that was given none."""
    return f"{task.name}-{method}-{seed}"


def check_count(field: str, value: object) -> None:
    """Raises InvalidValueError unless `value` is a whole number of 1 or more."""
    whole_number(field, value)


def _workers(workers: int | None, executor: Executor | None) -> int:
    if workers is None:
        # Every executor of the standard library and loky's has the attribute; Dask's has not.
        workers = 1 if executor is None else getattr(executor, "_max_workers", None)
        if workers is None:
            raise invalid("workers", None, "say how many evaluations the executor takes at once")
    check_count("workers", workers)
    return workers


def proxy_of(make: Callable[..., Optimizer], method: str, proxy: str | None) -> str | None:
    """The proxy's name, by default the method's own; None for a method that has none."""
    parameter = inspect.signature(make).parameters.get("proxy")
    if parameter is None:
        if proxy is not None:
            raise invalid("proxy", proxy, f"the method {method!r} has none; leave it out")
        return None
    if proxy is None:
        return str(parameter.default)
    if proxy not in PROXIES.names():
        raise unknown("proxy", proxy, PROXIES.names())
    return proxy


def _takes(make: Callable[..., Optimizer], option: str) -> bool:
    return option in inspect.signature(make).parameters


def _found_again(text: str, folder: str) -> Task:
    """The task of a stored study: from here, or else from where it was begun."""
    try:
        return load(text)
    except InvalidValueError:
        if folder == os.getcwd():
            raise
        return Reference(text, folder).load()


@contextmanager
def _active(run: str) -> Iterator[None]:
    _ACTIVE.add(run)
    try:
        yield
    finally:
        _ACTIVE.discard(run)


@contextmanager
def _quiet() -> Iterator[None]:
    """Optuna tells each study it makes; its level is given back, for it is the user's too."""
    level = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(max(level, optuna.logging.WARNING))
    try:
        yield
    finally:
        optuna.logging.set_verbosity(level)


@contextmanager
def _storage_errors(storage: Storage) -> Iterator[None]:
    """A disk that is full or read-only is no mistake of ours."""
    try:
        yield
    except (OSError, optuna.exceptions.StorageInternalError) as error:
        if storage is None:
            raise
        raise StudyError(f"storage: {os.fspath(storage)!r} can't be used: {error}") from error

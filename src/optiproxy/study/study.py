"""A search that lasts: it can be stopped anywhere, read back and continued."""

from __future__ import annotations

import logging
import os
import re
import shutil
import tempfile
import threading
import weakref
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast, overload

import optuna

from optiproxy import durations
from optiproxy._version import __version__
from optiproxy.errors import StudyError, invalid, whole_number
from optiproxy.report.diagnostics import Diagnosis, diagnose
from optiproxy.search.warm_start import EarlierStudy, read_earlier
from optiproxy.spaces import Space
from optiproxy.study import _results, environment
from optiproxy.study._budget import Budget
from optiproxy.study._checks import check_cheap_budget, check_confirm, check_evaluation
from optiproxy.study._folders import Folders
from optiproxy.study._method import Method
from optiproxy.study._notebook import Live, in_notebook
from optiproxy.study._scores import TimedScores
from optiproxy.study._session import run_session
from optiproxy.study._storage.identity import (
    BUDGET,
    CHEAP_BUDGET,
    CONFIRM,
    ENVIRONMENT,
    TIME_LIMIT,
    Identity,
    default_name,
)
from optiproxy.study._storage.open import (
    Storage,
    expanded,
    open_storage,
    quiet,
    shown,
    storage_errors,
)
from optiproxy.study._storage.stored_trial import State
from optiproxy.study._storage.trials import Trials
from optiproxy.study._storage.warm_start import ATTRIBUTE as WARM_START
from optiproxy.study._storage.warm_start import keep_earlier
from optiproxy.study._stored import bounded, code_named, found_again, stored_identity
from optiproxy.study.asked import Asked, Programs, read_answers
from optiproxy.study.best import Best
from optiproxy.study.callbacks import Callbacks, check_callbacks, following
from optiproxy.study.records import Record, Seconds
from optiproxy.tasks import Task
from optiproxy.tasks.evaluation import Evaluator
from optiproxy.tasks.networks import Network

if TYPE_CHECKING:
    import pandas as pd
    from torch import nn

    from optiproxy.report.html import Search
    from optiproxy.scores import NetworkScores

_logger = logging.getLogger("optiproxy.study")

# How many architectures may be measured for each one that is trained: with a limit that one in ten
# meets, even a search that never learns from the measurements has enough.
CHEAP_FACTOR = 10


class Study:
    """A search with its history, stored by Optuna in memory, in a journal file or in a database.

    >>> import optiproxy as op
    >>> space = op.spaces.Chain({"width": [16, 32], "kernel": [3, 5, 7]})
    >>> study = op.Study("toy", space, lambda arch: arch["width"] / arch["kernel"],
    ...                  objectives={"score": "max"}, method="random")
    >>> study.run(budget=6)
    >>> study.best.architecture
    Architecture(width=32, kernel=3)

    It is made from a `Task`, or from a task's own arguments: ``Study(task, name=…)`` or
    ``Study(name, space, evaluate, objectives=…)``.

    If the storage has a study of this name already, that one is opened: its queries are kept, and
    `run` goes on with it. With one worker the result is that of an uninterrupted search, also after
    a kill -9.

    Args:
        task: What is searched and how it is evaluated; or the name of study and task.
        space: What is searched, if `task` is a name: a space or a model, as of `Task`.
        evaluate: ``evaluate(arch) → {metric: value}``, if `task` is a name.
        name: The study's name in its storage; by default the task's, the method's and the seed,
            with hyphens.
        method: ``"optiproxy"`` or a baseline's name.
        proxy: The model behind ``"optiproxy"``; None for its default.
        storage: None for memory, a path for a journal file, or a database's URL;
            ``optuna-dashboard`` opens both.
        seed: Same seed, same search.
        warm_start: Earlier studies of the same space, as `optiproxy.OptiProxy` takes them; what the
            method learns from them is stored with this study.
        **options: With a name, whatever else `optiproxy.Task` takes: ``objectives`` and so on.

    Raises:
        InvalidValueError: An argument can't be used; the message names it.
        StudyError: The storage can't be opened, or the stored study is another search.
    """

    @overload
    def __init__(
        self,
        task: Task,
        /,
        *,
        name: str | None = None,
        method: str = "optiproxy",
        proxy: str | None = None,
        storage: Storage = None,
        seed: int = 0,
        warm_start: Iterable[Any] = (),
    ) -> None: ...

    @overload
    def __init__(
        self,
        name: str,
        space: Space | Network | nn.Module,
        evaluate: Evaluator,
        *,
        method: str = "optiproxy",
        proxy: str | None = None,
        storage: Storage = None,
        seed: int = 0,
        warm_start: Iterable[Any] = (),
        **options: Any,
    ) -> None: ...

    def __init__(  # type: ignore[misc]  # The keyword `name` is that of the positional text.
        self,
        task: Task | str | None = None,
        space: Space | Network | nn.Module | None = None,
        evaluate: Evaluator | None = None,
        *,
        name: str | None = None,
        method: str = "optiproxy",
        proxy: str | None = None,
        storage: Storage = None,
        seed: int = 0,
        warm_start: Iterable[Any] = (),
        **options: Any,
    ) -> None:
        if space is not None or evaluate is not None or options:
            if isinstance(task, Task):
                remedy = "give a Task with all of its options, or a name, a space and an evaluator"
                raise invalid("Study: task", task, remedy)
            name = name if task is None else task
            task = Task(name, space, evaluate, **options)  # type: ignore[arg-type]
        if not isinstance(task, Task):
            raise invalid("Study: task", task, "give a Task, or a name, a space and an evaluator")
        name = default_name(task, method, seed) if name is None else name
        if not isinstance(name, str) or not name:
            raise invalid("study: name", name, "give a short text")
        if storage is not None and not isinstance(storage, str | os.PathLike):
            raise invalid("storage", storage, "give a path, a database's URL, or None for memory")
        storage = expanded(storage)
        asked = (
            [c.text for c in task.constraints] if any(c.relative for c in task.constraints) else []
        )
        if task.unresolved:
            task = bounded(task, asked, name, storage)
        self._method = chosen = Method(method, proxy)
        task = chosen.with_scores(task)
        self.name = name
        self.task = task
        self.method = method
        self.storage = storage
        self.notes: list[str] = []
        self.proxy = chosen.proxy
        earlier: Sequence[EarlierStudy] = read_earlier(task.space, warm_start, task.objectives)
        if earlier:
            chosen.check_warm_start()
        self._scores: TimedScores | None = None
        if chosen.uses_features and task.score_names:
            scores = cast("Callable[[], NetworkScores]", lambda: task.features)
            self._scores = TimedScores(scores, lambda: self.seconds.oracle)
        # Before a file is created, so that bad arguments leave none.
        self._optimizer = chosen.optimizer(task, seed, scores=self._scores)
        self.seed = seed = self._optimizer.seed
        self.identity = Identity.of(
            task,
            method,
            self.proxy,
            seed,
            version=__version__,
            asked=asked,
            features=chosen.uses_features,
        )
        opened = open_storage(storage)
        with quiet(), storage_errors(storage):
            if name not in optuna.get_all_study_names(opened):  # An existing one is only read.
                optuna.create_study(
                    storage=opened,
                    study_name=name,
                    directions=["maximize" if o.sign > 0 else "minimize" for o in task.objectives],
                    load_if_exists=True,  # Another process may have created it in the meantime.
                )
            self.optuna = optuna.load_study(
                storage=opened,
                study_name=name,
                # Not used: whole vectors are written. The default sampler would warn and cost time.
                sampler=optuna.samplers.RandomSampler(seed=0),
                pruner=optuna.pruners.NopPruner(),
            )
            begun = self.identity.claim(self.optuna, self.place, task.space)
            self._changed = begun.code not in (None, self.identity.code)
            earlier = keep_earlier(self.optuna, task, earlier)
        if earlier:
            self._optimizer = chosen.optimizer(task, seed, earlier, self._scores)
        self._trials = Trials(self.optuna, opened, task)
        own = Trials(self.optuna, opened, task)  # A run may go on beside it.
        self._programs = Programs(own, self._optimizer)
        self._one_at_a_time = threading.Lock()  # Threads share the optimiser.

    @classmethod
    def of(cls, task: Task, **options: Any) -> Study:
        """The same as ``Study(task, ...)``."""
        return cls(task, **options)

    @classmethod
    def load(
        cls,
        name: str,
        storage: Storage,
        *,
        trust: Callable[[Sequence[str]], None] | None = None,
    ) -> Study:
        """Opens a stored study by its name, with the task that it was made from.

        This imports the Python file that the study names, and a search runs the command that it
        measures with: who can write the storage chooses what runs here.

        Args:
            name: The study's name.
            storage: Where it is stored.
            trust: Called first with what would be run, where the study names a command or a file
                outside the current folder; raises an error if that is not wanted.

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
        if trust is not None and (named := code_named(found, outside=True)):
            trust(named)
        task = found_again(*found.reference).replaced(
            found.objectives,
            found.constraints,
            found.measure,
            found.low_fidelity,
            features=found.features,
        )
        return cls(
            task,
            name=name,
            method=found.method,
            proxy=found.proxy,
            storage=storage,
            seed=found.seed,
        )

    @property
    def code(self) -> tuple[str, ...]:
        """The Python file that `load` imports, and the command that a search measures with."""
        return tuple(code_named(self.identity, outside=False))

    # ---- running ----

    def run(
        self,
        budget: int = 100,
        *,
        cheap_budget: int | None = None,
        batch: int | None = None,
        confirm: int | None = None,
        workers: int | None = None,
        executor: Executor | None = None,
        in_process: bool | None = None,
        gpus: str | int | None = None,
        workers_per_gpu: int | None = None,
        time_limit: float | str | None = None,
        hours: float | None = None,
        deaths: int = 2,
        max_failures: int = 5,
        keep: str | int = "best",
        callback: Callable[[Record], None] | None = None,
        callbacks: Callbacks = (),
        progress: bool = True,
    ) -> None:
        """Searches until the study has `budget` queries, including earlier runs and failures.

        If the task has a `low_fidelity`, the budget counts full trainings: low-fidelity ones cost a
        fraction of one, guide the search, and are no candidates for the best.

        Stops earlier when the space or the cheap budget is used up, with a note in `notes`. Ctrl-C
        keeps all finished queries; the next `run` repeats what was running.

        Args:
            budget: How many queries the study has in the end.
            cheap_budget: How many architectures have been measured for their limits in the end, if
                that comes before a training (`Metric`, ``measure``). Those that break a limit are
                dropped untrained and are no queries. Stored with the study; by default an earlier
                run's, else ten times `budget`.
            batch: How many architectures are proposed at once, by default as many as the method
                likes. One at a time uses each result for the next proposal, and costs more time.
            confirm: How many evaluations of the budget, the last ones, are not queries: the few
                architectures that may be the best are trained again with other seeds, and `best` is
                the best by its mean. Stored with the study; by default an earlier run's, else 3 if
                the task says that evaluations may be repeated (`Task`, ``noise="repeat"``) and the
                budget is 20 or more, else 0.
            workers: How many evaluations run at once, each in a worker process that may die or hang
                alone. By default one for each of the `gpus`; without them one evaluation runs at a
                time, in this process.
            in_process: True to evaluate in this process, False never to; by default what `workers`
                says. A look-up in a table is made in this process if `workers` is 1.
            gpus: The GPUs of the workers, in turn: ``"auto"``, how many, or which (``"0,1,3"``).
                Each worker sees only its own, as ``cuda:0``.
            workers_per_gpu: How many workers share each GPU, by default 1.
            time_limit: How long an evaluation may take: seconds, or ``"90s"``, ``"5m"``, ``"2h"``.
                One that takes longer is ended with all processes that it started, and is a failed
                query. Stored with the study; by default an earlier run's, else the task's.
            hours: How long this run may take. It stops proposing when no further evaluation would
                fit, and what still runs in the end is repeated by the next run.
            deaths: How often an evaluation may end its process before it is a failed query.
            max_failures: The run stops if its first queries, so many, all failed by the same
                exception, since the evaluator is broken; 0 for never.
            keep: Whose folders are kept if the evaluator declares `folder` (see `Task`): ``"all"``,
                ``"best"`` (with several objectives the Pareto front too), or the best so many.
                Those of unfinished queries always are.
            executor: Any ``concurrent.futures.Executor`` to evaluate on, such as
                ``client.get_executor()`` of ``dask.distributed``, or one of submitit's; it gets
                `workers` evaluations at once.
            callback: Called in this process with each result of this run.
            callbacks: More of them; a `Callback` is also told of the begin and the end of the run,
                such as ``track("mlflow")``, which records each query with a tracker.
            progress: Whether the study is shown in the cell of a Jupyter notebook while it runs.

        Raises:
            InvalidValueError: An argument can't be used, or the task can't be sent to worker
                processes. No query is spent.
            DataError: The task's data are missing or broken. No query is spent.
            StudyError: The executor broke, or a worker can't load the task.
            KeyboardInterrupt: Ctrl-C.
        """
        budget = whole_number("budget", budget)
        kept = self._checked_cheap_budget(cheap_budget, budget)
        if batch is not None:
            whole_number("batch", batch)
        repeats = check_confirm(self.task, confirm, self.confirm, budget)
        how = check_evaluation(
            self.task,
            hours=hours,
            max_failures=max_failures,
            keep=keep,
            workers=workers,
            executor=executor,
            in_process=in_process,
            gpus=gpus,
            workers_per_gpu=workers_per_gpu,
            time_limit=time_limit,
            stored_limit=self.time_limit,
            deaths=deaths,
        )
        folders = Folders(self._folders, keep) if self.task.wants_folder else None
        called = [*([] if callback is None else [callback]), *callbacks]
        check_callbacks(called)
        self.task.prepare()
        self._check_task()
        with storage_errors(self.storage):
            self._begin(budget, cheap_budget)
            if confirm is not None:
                self.optuna.set_user_attr(CONFIRM, confirm)
            if time_limit is not None:
                self.optuna.set_user_attr(TIME_LIMIT, how.time_limit)
            live = Live(self) if progress and in_notebook() else None
            with following(self, [*called, *([live] if live else [])]) as finished:
                run_session(
                    self._trials,
                    self._optimizer,
                    self.seed,
                    budget=budget,
                    cheap_budget=kept,
                    batch=batch,
                    confirm=repeats,
                    workers=how,
                    hours=hours,
                    max_failures=max_failures,
                    folders=folders,
                    shared=self.storage is not None,
                    finished=finished,
                    note=self._note,
                )
        for text in (*(self._scores.notes if self._scores else ()), *map(str, self.diagnoses)):
            self._note(text)
        if live is not None:
            live.update()

    def _checked_cheap_budget(self, given: int | None, budget: int) -> int:
        kept = given or self._cheap_budget(budget)
        check_cheap_budget(self.task, given, kept, budget)
        return kept

    def _check_task(self) -> None:
        if self._method.knows_networks:  # A table knows it once its rows are read.
            self._optimizer.distinct = self.task.distinct
        if not self.queries:
            self.task.validate()
        elif self._changed:
            self._note(
                f"the file of task {self.task.name!r} has changed since this study was begun; what "
                "was measured before is kept as it is"
            )

    def _begin(self, budget: int, cheap_budget: int | None) -> None:
        self.optuna.set_user_attr(BUDGET, max(budget, len(self.queries)))
        self._trials.name_objectives()
        if self.storage is not None and ENVIRONMENT not in self.optuna.user_attrs:
            self.optuna.set_user_attr(ENVIRONMENT, environment.described())
        if cheap_budget is not None:
            self.optuna.set_user_attr(CHEAP_BUDGET, int(cheap_budget))

    # ---- for other programs, which evaluate on their own ----

    def begin(self, budget: int = 100, *, cheap_budget: int | None = None) -> None:
        """Gives the study a budget, so that programs may `ask`; a larger one than before raises it.

        Args:
            budget: How many queries the study has in the end, as of `run`.
            cheap_budget: As of `run`.

        Raises:
            InvalidValueError: An argument can't be used, or the task has a mistake.
            DataError: The task's table is missing or broken.
        """
        budget = whole_number("budget", budget)
        self._checked_cheap_budget(cheap_budget, budget)
        if self.task.rows is not None:  # A user's `prepare` is for the evaluator alone.
            self.task.prepare()
        self._check_task()
        with storage_errors(self.storage):
            self._begin(budget, cheap_budget)

    def ask(self, n: int = 1, *, lease: float | str = "1h") -> list[Asked]:
        """Takes queries for another program to evaluate; any number of programs may ask at once.

        Args:
            n: How many.
            lease: How long they are the program's, in seconds or as ``"90s"``, ``"5m"``, ``"2h"``.
                After that another one may get them, unless they were told or renewed.

        Returns:
            Fewer than `n` if the budget, or the space, has no more.

        Raises:
            InvalidValueError: An argument can't be used.
            StudyError: The study has no budget yet; see `begin`.
        """
        n, seconds = whole_number("ask: n", n), durations.seconds("ask: lease", lease)
        if not self.budget:
            raise StudyError(f"study {self.name!r} has no budget yet; begin it first")
        if self.task.rows is not None:
            self.task.prepare()
        self._check_task()
        with self._one_at_a_time, storage_errors(self.storage):
            return self._programs.ask(n, seconds, self._whole_budget, self._note)

    def tell(self, answers: Mapping[str, Any] | Sequence[Mapping[str, Any]]) -> list[int]:
        """Stores the answers to queries that programs asked for.

        Args:
            answers: One or a list of ``{"id": 7, "metrics": {"accuracy": 0.93}}``, or of
                ``{"id": 7, "failed": "reason", "kind": "oom"}``; see `asked.Answer`.

        Returns:
            The ids.

        Raises:
            InvalidValueError: An answer can't be used, was told already, or its query was given to
                another program. Nothing was stored.
            StudyError: Another program told one of them at the same time; the others are stored.
        """
        read = read_answers(answers)
        with self._one_at_a_time, storage_errors(self.storage):
            return self._programs.tell(read, self._note)

    def renew(self, ids: Iterable[int], *, lease: float | str = "1h") -> list[Asked]:
        """Lets the leases of queries that programs asked for end so much later from now.

        Raises:
            InvalidValueError: One is not open any more, or an argument can't be used.
        """
        seconds = durations.seconds("renew: lease", lease)
        with storage_errors(self.storage):
            return self._programs.renew(ids, seconds)

    def release(self, ids: Iterable[int]) -> None:
        """Gives back queries that programs asked for: they are asked again.

        Raises:
            InvalidValueError: One is not open any more.
        """
        with storage_errors(self.storage):
            self._programs.release(ids)

    @property
    def asked(self) -> tuple[Asked, ...]:
        """The queries that programs hold, also those whose lease has ended."""
        return tuple(self._programs.held())

    @property
    def done(self) -> bool:
        """Whether nothing is left to evaluate: the budget is spent, and no query runs or waits."""
        return self._programs.done(self._whole_budget)

    @property
    def _whole_budget(self) -> Budget:
        return Budget(self.task, self.budget, self._cheap_budget(self.budget))

    @cached_property
    def _folders(self) -> Path:
        """The folder of the queries' folders: beside a journal file, else in the working folder.

        For a study in memory it is a temporary one, which goes with the study.
        """
        if self.storage is None:
            folder = tempfile.mkdtemp(prefix="optiproxy-")
            weakref.finalize(self, shutil.rmtree, folder, ignore_errors=True)
            return Path(folder)
        place = os.fspath(self.storage)
        name = re.sub(r"[^\w.+-]+", "-", self.name)
        return (Path() if "://" in place else Path(place).parent) / f"{name}-queries"

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

    def retry(self, query: int | None = None, *, kind: str | None = None) -> tuple[int, ...]:
        """Queues failed queries again, for the next `run` to evaluate.

        Args:
            query: One of them, by its number; None for all.
            kind: Only those of one kind of failure (`Record.kind`).

        Returns:
            Their numbers.

        Raises:
            InvalidValueError: There is no such query, it did not fail, or there is no such kind.
        """
        with storage_errors(self.storage):
            return _results.retry(self._trials, query, kind)

    def _note(self, text: str) -> None:
        if text not in self.notes:
            self.notes.append(text)
            _logger.warning("%s", text)

    # ---- results ----

    @property
    def scored(self) -> tuple[int, float]:
        """How many networks training-free scores were computed for, and the seconds it took."""
        return (self._scores.networks, self._scores.seconds) if self._scores else (0, 0.0)

    @property
    def place(self) -> str:
        """The storage as text: ``memory``, a path, or a URL without its password."""
        return shown(self.storage)

    @property
    def budget(self) -> int:
        """The budget of the last run, or the number of queries if that is larger; 0 before."""
        return int(self.optuna.user_attrs.get(BUDGET, 0))

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

    def _cheap_budget(self, budget: int) -> int:
        return self.cheap_budget or CHEAP_FACTOR * budget

    @property
    def random_queries(self) -> int:
        """How many of the first queries the method chose before it had learnt from results.

        They are random, but for those of high training-free score.
        """
        if self.method == "random":
            return len(self.queries)
        if self.optuna.user_attrs.get(WARM_START):
            return 0  # The first ones follow from the earlier studies.
        drawn = self._whole_budget.drawn(self._optimizer)
        if not self.task.has_prefilter:
            return drawn
        return sum(t.state is not State.DROPPED for t in self._trials.read()[:drawn])

    @property
    def batches(self) -> tuple[int, ...]:
        """How many architectures the method proposed at once, each time."""
        return tuple(_results.batches(self._trials))

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
        return replace(found, folder=self.folder(found.query))

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

    @property
    def seconds(self) -> Seconds:
        """Where the time went, over all sessions up to their last results."""
        return _results.seconds(self._trials)

    def __repr__(self) -> str:
        best = self.best
        found = "" if best is None else f", best {best.metrics}"
        return f"Study({self.name!r} in {self.place}, {len(self.queries)} queries{found})"

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

    def _repr_html_(self) -> str:
        """The study in a notebook."""
        from optiproxy.study._reporting import cell

        with quiet():
            return cell(self._trials, self.identity, self.notes)

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
            return searched(self._trials, self.identity, self.random_queries, place)

    def dataframe(self) -> pd.DataFrame:
        """One row a query: its number, the choices, the metrics, `feasible`, `failed`, `seconds`.

        A choice or a metric whose name is taken by another column is ``choice:NAME`` or
        ``metric:NAME``.

        Raises:
            OptiProxyError: pandas is not installed.
        """
        return _results.dataframe(self.queries)

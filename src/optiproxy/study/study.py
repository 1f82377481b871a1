"""A search that lasts: it can be stopped anywhere, read back and continued."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Executor
from typing import TYPE_CHECKING, Any, overload

from optiproxy import durations
from optiproxy._version import __version__
from optiproxy.errors import invalid, whole_number
from optiproxy.search.warm_start import Earlier, read_earlier
from optiproxy.spaces import Space
from optiproxy.study import _results
from optiproxy.study._budget import Budget
from optiproxy.study._checks import check_confirm, check_evaluation
from optiproxy.study._folders import Folders
from optiproxy.study._method import Method
from optiproxy.study._notebook import Live, in_notebook
from optiproxy.study._programs import StudyForPrograms
from optiproxy.study._session import run_session
from optiproxy.study._storage.identity import (
    CONFIRM,
    TIME_LIMIT,
    Identity,
    default_name,
)
from optiproxy.study._storage.open import (
    Storage,
    expanded,
    open_storage,
    open_study,
    quiet,
    storage_errors,
)
from optiproxy.study._storage.trials import Trials
from optiproxy.study._storage.warm_start import keep_earlier
from optiproxy.study._stored import bounded, stored_task
from optiproxy.study.asked import Programs
from optiproxy.study.callbacks import Callbacks, check_callbacks, following
from optiproxy.study.records import Record
from optiproxy.tasks import Task
from optiproxy.tasks.evaluation import Evaluator
from optiproxy.tasks.networks import Network

if TYPE_CHECKING:
    from torch import nn


class Study(StudyForPrograms):
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
        warm_start: Earlier studies, as `optiproxy.OptiProxy` takes them; what the
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
                other = next(iter(options), "space" if space is not None else "evaluate")
                remedy = (
                    "beside a Task there are name, method, proxy, storage, seed and warm_start; "
                    "what else a task has is given to the Task, or to task.replaced(…)"
                )
                raise invalid(f"Study: {other}", options.get(other, "a value"), remedy)
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
        relative = any(c.relative for c in task.constraints)
        asked = [c.text for c in task.constraints] if relative else []
        if task.unresolved:
            task = bounded(task, asked, name, storage)
        self._method = chosen = Method(method, proxy)
        task = chosen.with_scores(task)
        earlier = read_earlier(task.space, warm_start, task.objectives)
        if earlier:
            chosen.check_warm_start()
        self._set(task, name, method, chosen.proxy, storage, seed)
        # Before a file is created, so that bad arguments leave none.
        self.seed = self._optimizer.seed
        self._open(asked, chosen.uses_features, earlier)

    def _set(
        self, task: Task, name: str, method: str, proxy: str | None, storage: Storage, seed: int
    ) -> None:
        self.task, self.name, self.method, self.proxy = task, name, method, proxy
        self.storage, self.seed = storage, seed
        self.notes: list[str] = []
        self._earlier: Sequence[Earlier] = ()

    def _open(self, asked: Sequence[str], features: bool, earlier: Sequence[Earlier] = ()) -> None:
        """Opens the storage, in which the study is begun if it is new.

        Args:
            asked: The constraints as they were given, if some are relative.
            features: Whether the method uses training-free scores.
            earlier: Of a warm start.
        """
        task = self.task
        self.identity = Identity.of(
            task,
            self.method,
            self.proxy,
            self.seed,
            version=__version__,
            asked=asked,
            features=features,
        )
        opened = open_storage(self.storage)
        with quiet(), storage_errors(self.storage):
            maximized = [objective.sign > 0 for objective in task.objectives]
            self.optuna, made = open_study(opened, self.name, maximized)
            begun = self.identity.claim(self.optuna, self.place, task.space, made=made)
            self._changed = begun.code not in (None, self.identity.code)
            self._earlier = keep_earlier(self.optuna, task, earlier)
        if self._earlier:
            vars(self).pop("_optimizer", None)  # It is made again, with what they say.
        self._trials = Trials(self.optuna, opened, task)
        own = Trials(self.optuna, opened, task)  # Not shared with a run in another thread.
        self._programs = Programs(own, self.seed, lambda: self._optimizer)
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
        task, found = stored_task(name, storage, trust)
        storage = expanded(storage)
        if task.unresolved:
            task = bounded(task, [], name, storage)
        study = cls.__new__(cls)
        study._set(task, name, found.method, found.proxy, storage, found.seed)
        study._begun = found.folder
        study._open((), found.features is not None)
        return study

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
                the best by its mean. Stored with the study; by default an earlier run's, else a
                twentieth of `budget`, rounded down, if the task says that evaluations may be
                repeated (`Task`, ``noise="repeat"``), and 0 if not.
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
            max_failures: The run stops if its first `max_failures` queries all failed with the same
                exception, since the evaluator is broken; 0 for never.
            keep: Whose folders are kept if the evaluator declares `folder` (see `Task`): ``"all"``,
                ``"best"`` (with several objectives the Pareto front too), or a number: that many of
                the best.
                Those of unfinished queries always are.
            executor: Any ``concurrent.futures.Executor`` to evaluate on, such as
                ``client.get_executor()`` of ``dask.distributed``, or one of submitit's; it gets
                `workers` evaluations at once.
            callback: Called in this process with each result of this run.
            callbacks: More of them; a `Callback` is also called when the run begins and ends,
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
        limit = self.time_limit or self.task.time_limit
        if limit is not None and how.time_limit is None:
            self._note(
                f"the time limit of {durations.text(limit)} does not hold: it is for evaluations "
                "in worker processes (workers=1, without --in-process)"
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
                    Budget(self.task, budget, kept, batch, repeats),
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

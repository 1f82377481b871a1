"""The options of `search`, `resume` and `worker` that say how architectures are evaluated."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from optiproxy.cli._groups import HOW, LIMITS, WHERE

if TYPE_CHECKING:
    from optiproxy.tasks import Task


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """How architectures are evaluated.

    Args:
        workers: How many evaluations run at once: by default 1, with --gpus one for each GPU, and
            with --dask one for each of the cluster's threads. Each runs in a process of its own, so
            that one that dies or hangs ends alone.
        in_process: Evaluates in the search's own process, one at a time, as it is always done where
            results are looked up in a table. An evaluation that dies then ends the search, no time
            limit holds, and what an evaluation started is not ended with the search.
        gpus: The GPUs, one worker each: auto for all, how many (2), or which ones (0,1,3; one alone
            with a comma: 3,).
        workers_per_gpu: How many workers share each GPU.
        dask: The address of a Dask scheduler (tcp://…) whose workers evaluate.
        time_limit: How long an evaluation may take, such as 90s, 5m or 2h. What takes longer is
            ended, with all that it started, and is a failed query; by default the task's own.
        hours: How long the search may take. It stops proposing when no further evaluation fits.
        deaths: How often an evaluation may end its process before it is a failed query.
        max_failures: The search stops when that many first queries all failed with the same
            exception, for then the code is broken; 0 never stops it.
        keep: Whose folders are kept, where the evaluator keeps checkpoints and networks: all, best
            (with several objectives the Pareto front too), or a number: that many of the best.
        track: Records each query with a tracker: mlflow, tensorboard, trackio or wandb, and after a
            colon its folder, address or project, such as mlflow:http://10.0.0.1:5000; may be
            repeated.
    """

    workers: Annotated[int | None, HOW] = None
    in_process: Annotated[bool, HOW] = False
    gpus: Annotated[str | None, HOW] = None
    workers_per_gpu: Annotated[int | None, HOW] = None
    dask: Annotated[str | None, HOW] = None
    time_limit: Annotated[str | None, LIMITS] = None
    hours: Annotated[float | None, LIMITS] = None
    deaths: Annotated[int, LIMITS] = 2
    max_failures: Annotated[int, LIMITS] = 5
    keep: Annotated[str, WHERE] = "best"
    track: Annotated[list[str], WHERE] = field(default_factory=list)

    @contextmanager
    def arguments(self, task: Task) -> Iterator[dict[str, Any]]:
        """The arguments of `Study.run`; a cluster stays connected within the block.

        Args:
            task: What is searched.

        Raises:
            InvalidValueError: Two options exclude each other, or one can't be used.
            StudyError: No cluster answers.
        """
        from optiproxy.cli._executors import dask_cluster
        from optiproxy.study import check_evaluation, track

        callbacks = [track(text) for text in self.track]
        # By default one, in a process of its own, and not in this one.
        here = nullcontext((None, 1 if self.gpus is None else None))
        with here if self.dask is None else dask_cluster(self.dask) as (executor, places):
            given: dict[str, Any] = {
                "workers": places if self.workers is None else self.workers,
                "executor": executor,
                "in_process": True if self.in_process else None,
                "gpus": self.gpus,
                "workers_per_gpu": self.workers_per_gpu,
                "time_limit": self.time_limit,
                "hours": self.hours,
                "deaths": self.deaths,
                "max_failures": self.max_failures,
                "keep": self.keep,
            }
            check_evaluation(task, **given)
            yield {**given, "callbacks": callbacks}


DEFAULT = Evaluation()

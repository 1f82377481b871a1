"""What a search is about to do, in a few lines."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from optiproxy import durations
from optiproxy.study import Study, check_confirm

# Finished evaluations from which the time of the next ones is estimated.
_LATEST = 20


def plan(study: Study, budget: int, options: Mapping[str, Any]) -> str:
    """The space, objectives and limits, the method, the budget, the workers and the time.

    Args:
        study: What will run.
        budget: How many queries it has in the end.
        options: Of `Study.run`.
    """
    return "\n".join(_lines(study, budget, options))


def _lines(study: Study, budget: int, options: Mapping[str, Any]) -> Iterator[str]:
    task = study.task
    yield f"space    {task.space!r}"
    yield f"goal     {', '.join(o.text for o in task.objectives)}" + "".join(
        f", {limit}" for limit in task.constraints
    )
    proxy = "" if study.proxy is None else f" with {study.proxy}"
    yield f"method   {study.method}{proxy}, seed {study.seed}"
    if study.identity.features:
        yield f"scores   {', '.join(study.identity.features)}, of untrained networks"
    repeats = check_confirm(task, options.get("confirm"), study.confirm, budget)
    queries = f"{budget} {'evaluations' if repeats else 'queries'}"
    if task.low_fidelity is not None:
        queries = f"{budget} full trainings' worth, {task.low_fidelity} epochs at first"
    if repeats:
        last = "one" if repeats == 1 else repeats
        queries += f", the last {last} to confirm the best"
    workers = _workers(options)
    yield f"budget   {queries}, {workers} at a time" + _bounds(study, options)
    yield f"time     {_time(study, budget, workers)}"


def _workers(options: Mapping[str, Any]) -> int | str:
    if options.get("workers") is not None:
        return int(options["workers"])
    return 1 if options.get("gpus") is None else "one a GPU"


def _bounds(study: Study, options: Mapping[str, Any]) -> str:
    """How long an evaluation and the run may take."""
    said = []
    each = options.get("time_limit") or study.time_limit or study.task.time_limit
    if options.get("in_process") or options.get("executor"):
        each = None  # It is for worker processes alone.
    if each is not None:
        said.append(f"at most {each if isinstance(each, str) else durations.text(each)} each")
    if options.get("hours") is not None:
        said.append(f"at most {options['hours']:g} h in all")
    return "".join(f", {text}" for text in said)


def _time(study: Study, budget: int, workers: int | str) -> str:
    done = study.queries
    left = int(budget - study.spent + 1e-9)  # Full trainings, as parts of them are rounded.
    if left <= 0:
        return "none: it has its budget"
    if study.task.in_memory:
        return "seconds: results are looked up in a table"
    known = [record.seconds for record in done if record.metrics is not None][-_LATEST:]
    if not known:
        return "known after the first evaluations"
    each = sum(known) / len(known)
    total = each * left / (workers if isinstance(workers, int) else 1)
    count = f"{left} evaluation{'s' * (left > 1)}"
    return f"about {durations.rounded(total)}: {count} of {durations.rounded(each)}"

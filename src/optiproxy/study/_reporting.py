"""A study as the plain values that its report is made from."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from typing import Any

import optuna

from optiproxy.errors import OptiProxyError
from optiproxy.report.html import Search
from optiproxy.study import _results, environment
from optiproxy.study._storage.identity import BUDGET, CHEAP_BUDGET, Identity
from optiproxy.study._storage.trials import Trials
from optiproxy.study._storage.warm_start import ATTRIBUTE as WARM_START
from optiproxy.tasks import Task, load


def searched(trials: Trials, identity: Identity, initial: int) -> Search:
    """The content of the report.

    Args:
        trials: The study's history.
        identity: Which search it is.
        initial: How many of its first queries were drawn at random.
    """
    task, queries = trials.task, _results.records(trials)
    best = _results.best(queries, task, identity.seed)
    return Search(
        name=trials.study.study_name,
        task=task.name,
        space=repr(task.space),
        method=identity.method,
        proxy=identity.proxy,
        seed=identity.seed,
        budget=trials.study.user_attrs.get(BUDGET, 0),
        objectives=identity.objectives,
        constraints=identity.constraints,
        reported=task.reported,
        queries=[record.plain() for record in queries],
        texts=[task.space.to_text(record.architecture) for record in queries],
        picture="" if best is None else task.space.picture(best.architecture),
        pareto=[found.query for found in _results.pareto(queries, task, identity.seed)],
        optimum=_optimum(task),
        initial=initial,
        dropped=len(_results.dropped(trials)),
        seconds=vars(_results.seconds(trials)),
        seeds=_seeds(trials, identity),
        command=_command(trials, identity),
        versions={**environment.versions(), "system": environment.system()},
    )


def _command(trials: Trials, identity: Identity) -> str:
    """The command line that makes this search again; empty if its task has no name."""
    task, attributes = trials.task, trials.study.user_attrs
    if task.reference is None:
        return ""
    options: list[tuple[str, Any]] = [
        ("budget", attributes.get(BUDGET, 0)),
        ("method", identity.method),
        ("seed", identity.seed),
        ("proxy", identity.proxy),
    ]
    own = load(task.reference.text)
    if task.objectives != own.objectives:
        options += [("objective", text) for text in identity.objectives]
    if task.constraints != own.constraints:
        options += [("constraint", text) for text in identity.constraints]
    options += [
        ("measure", task.measure),
        ("low-fidelity", task.low_fidelity),
        ("cheap-budget", attributes.get(CHEAP_BUDGET)),
    ]
    words = ["optiproxy", "search", task.reference.text]
    for name, value in options:
        words += [] if value is None else [f"--{name}", str(value)]
    # The earlier studies are stored with the study, but not where they came from.
    return shlex.join(words) + ("  # and its --warm-start" if _earlier(trials.study) else "")


def _earlier(study: optuna.Study) -> Any:
    return study.user_attrs.get(WARM_START) or None


def _optimum(task: Task) -> float | None:
    try:
        return task.optimum
    except OptiProxyError:  # The table that has it may be missing on this machine.
        return None


def _seeds(trials: Trials, identity: Identity) -> Mapping[int, Sequence[dict[str, Any]]]:
    """The queries of the same search with each seed that the storage has."""
    found: dict[int, list[dict[str, Any]]] = {}
    for name in optuna.get_all_study_names(trials.storage):
        study = optuna.load_study(study_name=name, storage=trials.storage)
        other = Identity.stored(study)
        if other is None or other.seed in found or not other.same_but_seed(identity):
            continue
        if _earlier(study) != _earlier(trials.study):
            continue  # It has another warm start.
        queries = _results.records(Trials(study, trials.storage, trials.task))
        if queries:
            found[other.seed] = [record.plain() for record in queries]
    return found

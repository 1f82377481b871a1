"""A study as the plain values that its report is made from."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import optuna

from optiproxy import proxies
from optiproxy.errors import OptiProxyError
from optiproxy.metrics import mean_metrics
from optiproxy.report.html import Search
from optiproxy.report.notebook import study_fragment
from optiproxy.search.sensitivity import sensitivities
from optiproxy.spaces import Architecture
from optiproxy.study import _results, environment
from optiproxy.study._storage.identity import BUDGET, CHEAP_BUDGET, ENVIRONMENT, Identity
from optiproxy.study._storage.trials import Trials
from optiproxy.study._storage.warm_start import ATTRIBUTE as WARM_START
from optiproxy.study._storage.warm_start import first_queries
from optiproxy.study._stored import found_again
from optiproxy.study.records import Record
from optiproxy.tasks import Task


def searched(
    trials: Trials,
    identity: Identity,
    initial: int,
    place: str | None = None,
    begun: str | None = None,
) -> Search:
    """The content of the report.

    Args:
        trials: The study's history.
        identity: Which search it is.
        initial: How many of its first queries were drawn at random.
        place: Where the study is stored; None for memory.
        begun: The folder where it was begun, see `references.placed`.
    """
    task, queries = trials.task, _results.records(trials)
    best = _results.best(queries, task, identity.seed)
    optimum = _optimum(task)
    # A model that is slow to fit, or none, is replaced: the report is made while a reader waits.
    judge = identity.proxy or "gp"
    judge = judge if proxies.get(proxies.placed(judge, begun)).quick else "gp"
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
        drawings=[] if best is None else _drawings(task, best.architecture),
        measured={} if best is None else best.record.measured,
        best=None if best is None else best.query,
        load=[] if best is None else _load(trials, identity, place),
        pareto=[found.query for found in _results.pareto(queries, task, identity.seed)],
        optimum=optimum,
        regret=None if best is None or optimum is None else task.regret(best.metrics),
        initial=initial,
        start=first_queries(trials.study, identity.features),
        dropped=[
            {**record.plain(), "text": task.space.to_text(record.architecture)}
            for record in _results.dropped(trials)
        ],
        sensitivities=_sensitivities(task, queries, proxies.placed(judge, begun)),
        judge=judge,
        seconds=vars(_results.seconds(trials)),
        seeds=_seeds(trials, identity),
        command=_command(trials, identity),
        versions=trials.study.user_attrs.get(ENVIRONMENT) or environment.described(),
    )


def cell(trials: Trials, identity: Identity, notes: Sequence[str]) -> str:
    """The study as HTML for a notebook's cell."""
    task, queries = trials.task, _results.records(trials)
    best = _results.best(queries, task, identity.seed)
    proxy = "" if identity.proxy is None else f" with {identity.proxy}"
    return study_fragment(
        [record.plain() for record in queries],
        title=trials.study.study_name,
        subtitle=f"{task.space!r}, {identity.method}{proxy}, seed {identity.seed}",
        budget=trials.study.user_attrs.get(BUDGET, 0),
        objectives=identity.objectives,
        best=None if best is None else best.record.plain(),
        text="" if best is None else str(best),
        drawings=[] if best is None else _drawings(task, best.architecture),
        reported=task.reported,
        notes=notes,
    )


def _drawings(task: Task, arch: Architecture) -> list[dict[str, Any]]:
    return [drawing.plain() for drawing in task.space.drawings(arch)]


def _sensitivities(task: Task, queries: Sequence[Record], judge: str) -> list[dict[str, Any]]:
    """How much each choice matters to the first objective, by the full trainings."""
    goal = task.objectives[0]
    full = {
        r.architecture: mean_metrics(r.results or (r.metrics,)) for r in queries if r.epochs is None
    }
    known = {arch: metrics[goal.metric] for arch, metrics in full.items() if metrics}
    found = sensitivities(
        task.space,
        list(known),
        list(known.values()),
        sign=goal.sign,
        proxy=judge,
    )
    return [asdict(choice) for choice in found]


def _load(trials: Trials, identity: Identity, place: str | None) -> list[str]:
    """How the best architecture is loaded: a command, and lines of a program."""
    if place is None or identity.reference is None:
        return []
    name = trials.study.study_name
    built = trials.task.can_build
    out = "best.pt" if built else "best.json"
    words = ["optiproxy", "export", name, "--storage", place, "--out", out]
    read = "model = best.module()" if built else "print(best.architecture)"
    return [
        shlex.join(words),
        f"import optiproxy as op\nbest = op.Study.load({name!r}, {place!r}).best\n{read}",
    ]


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
    try:
        own = found_again(task.reference.text, task.reference.folder)
    except OptiProxyError:  # Its file has been moved or is being edited.
        own = None
    if own is None or task.objectives != own.objectives:
        options += [("objective", text) for text in identity.objectives]
    if own is None or task.constraints != own.constraints:
        options += [("constraint", text) for text in identity.constraints]
    options += [
        ("measure", task.measure),
        ("low-fidelity", task.low_fidelity),
        ("cheap-budget", attributes.get(CHEAP_BUDGET)),
    ]
    words = ["optiproxy", "search", task.reference.text]
    if task.reference.defined:  # Its queries are answered by other programs.
        words[1:2] = ["new", trials.study.study_name]
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

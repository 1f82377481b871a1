"""A study as the plain values that a report is made from."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import optuna

from optiproxy.errors import OptiProxyError
from optiproxy.report.html import Search
from optiproxy.study import environment
from optiproxy.study._results import records
from optiproxy.study._storage.identity import Identity, constraint_text, objective_text
from optiproxy.study._storage.trials import Ledger
from optiproxy.study._storage.warm_start import ATTRIBUTE as WARM_START
from optiproxy.tasks import load

if TYPE_CHECKING:
    from optiproxy.study.study import Study


def searched(study: Study) -> Search:
    """All that the report of `study` says."""
    task, best = study.task, study.best
    queries = study.queries
    return Search(
        name=study.name,
        task=task.name,
        space=repr(task.space),
        method=study.method,
        proxy=study.proxy,
        seed=study.seed,
        budget=study.budget,
        objectives=[objective_text(o) for o in task.objectives],
        constraints=[constraint_text(c) for c in task.constraints],
        reported=task.reported,
        queries=[record.plain() for record in queries],
        texts=[task.space.to_text(record.architecture) for record in queries],
        picture="" if best is None else task.space.picture(best.architecture),
        pareto=[found.query for found in study.pareto],
        optimum=_optimum(study),
        initial=study.random_queries,
        dropped=len(study.dropped),
        seconds=vars(study.seconds),
        seeds=_seeds(study),
        command=command(study),
        versions={**environment.versions(), "system": environment.system()},
    )


def command(study: Study) -> str:
    """The command line that makes this search again; empty where its task has no name."""
    reference = study.task.reference
    if reference is None:
        return ""
    words = ["optiproxy", "search", reference.text, "--budget", str(study.budget)]
    words += ["--method", study.method, "--seed", str(study.seed)]
    if study.proxy is not None:
        words += ["--proxy", study.proxy]
    own = load(reference.text)
    if study.task.objectives != own.objectives:
        for objective in study.task.objectives:
            words += ["--objective", objective_text(objective)]
    if study.task.constraints != own.constraints:
        for constraint in study.task.constraints:
            words += ["--constraint", constraint_text(constraint)]
    if study.task.measure is not None:
        words += ["--measure", study.task.measure]
    if study.task.low_fidelity is not None:
        words += ["--low-fidelity", str(study.task.low_fidelity)]
    if study.cheap_budget is not None:
        words += ["--cheap-budget", str(study.cheap_budget)]
    # What it was begun with is kept in the study, and not where it came from.
    return shlex.join(words) + ("  # and its --warm-start" if _earlier(study.optuna) else "")


def _earlier(study: optuna.Study) -> Any:
    return study.user_attrs.get(WARM_START) or None


def _optimum(study: Study) -> float | None:
    try:
        return study.task.optimum
    except OptiProxyError:  # The table that knows it may not be here.
        return None


def _seeds(study: Study) -> Mapping[int, Sequence[dict[str, Any]]]:
    """The queries of the same search with every seed that its storage has."""
    own = study.identity
    found: dict[int, list[dict[str, Any]]] = {}
    for name in optuna.get_all_study_names(study.opened):
        other = optuna.load_study(study_name=name, storage=study.opened)
        identity = Identity.stored(other)
        if identity is None or identity.seed in found or not identity.same_but_seed(own):
            continue
        if _earlier(other) != _earlier(study.optuna):
            continue  # It began with other knowledge.
        queries = records(Ledger(other, study.opened, study.task).read(), study.task)
        if queries:
            found[identity.seed] = [record.plain() for record in queries]
    return found

"""The results of a search as text."""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from optiproxy.cli._study_command import study_command
from optiproxy.metrics import Objective
from optiproxy.study import Best, Record, Study

# Lines of the picture, and architectures of the front: the summary fits on a screen.
LINES, SHOWN = 16, 8
# Letters of an architecture on the front; the report has all.
WIDTH = 120


def summary(study: Study) -> str:
    """The best architecture, how it compares, what failed, and the time."""
    return "\n".join(_lines(study))


def _lines(study: Study) -> Iterator[str]:
    records = study.queries
    how = study.method if study.proxy is None else f"{study.method} with {study.proxy}"
    yield ""
    short = sum(record.epochs is not None for record in records)
    of_them = f" ({short} of them of {study.task.low_fidelity} epochs)" if short else ""
    repeats = sum(len(record.repeats) for record in records)
    and_repeats = f" and {repeats} {'repeat' if repeats == 1 else 'repeats'}" if repeats else ""
    counts = f"{len(records)} queries{of_them}{and_repeats}"
    yield f"{study.task.name}: {counts} by {how}, seed {study.seed}"
    if dropped := study.dropped:
        yield f"{len(dropped)} more were measured, broke a limit and were not trained"
    best = study.best
    if best is None:
        yield from nothing_found(study, (*records, *dropped))
    else:
        yield from _best(study, best, records)
    if study.pareto:
        yield from _front(study)
    yield from _failures(study, records)
    for note in study.notes:
        yield f"note: {note}"
    seconds = study.seconds
    networks, took = study.scored
    if networks:
        compared = seconds.oracle > 0 and not study.task.in_memory
        share = f" ({took / seconds.oracle:.1%} of the evaluations)" if compared else ""
        yield f"scores without training: {networks} networks in {took:.1f} s{share}"
    yield (
        f"time: {seconds.total:.1f} s, of it {seconds.optimizer:.1f} s to propose; "
        f"{seconds.oracle:.1f} s of evaluations"
    )


def _best(study: Study, best: Best, records: Sequence[Record]) -> Iterator[str]:
    yield f"best: {best} (query {best.query})"
    yield ""
    picture = study.task.space.picture(best.architecture).splitlines()
    for line in picture[:LINES]:
        yield f"    {line}"
    if len(picture) > LINES:
        yield f"    … and {len(picture) - LINES} more lines"
    yield ""
    width = max(map(len, best.metrics))
    measured = best.record.measured
    for name, value in best.metrics.items():
        only = "  (only reported)" if name in study.task.reported else ""
        how = _how(measured[name]) if name in measured else ""
        kept = [str(c).removeprefix(name) for c in study.task.constraints if c.metric == name]
        yield f"  {name:<{width}}  {number(value)}{''.join(kept)}{only}{how}"
    yield from _confirmation(study, best)
    yield from _luckier(study, best, records)
    yield from _comparison(study, best, records)


def _confirmation(study: Study, best: Best) -> Iterator[str]:
    """How often the best was evaluated, how much its values differ, and what equals it."""
    if not best.record.repeats:
        return
    goal, first = study.task.objectives[0], best.record.metrics or {}
    how = f"the means of {best.evaluations} evaluations with different seeds"
    yield f"confirmed: these are {how}, ± their standard deviation"
    shown = {goal.metric, *(limit.metric for limit in study.task.constraints)}
    for name, deviation in best.deviations.items():
        if name in shown and (deviation or name == goal.metric):
            before = f"; the first value was {number(first[name])}" if name in first else ""
            yield f"  {name} {number(best.metrics[name])} ± {deviation:.2g}{before}"
    for limit in study.task.constraints:
        margin = abs(limit.violation(best.metrics[limit.metric]))  # Not -0.
        yield f"  {limit.metric} keeps its limit ({limit}) by {number(margin)}"
    if tied := study.tied:
        numbers = ", ".join(str(found.query) for found in tied)
        room = [f"; it has the most room to {limit}" for limit in study.task.constraints[:1]]
        yield "".join([f"  by their means not told apart from it: query {numbers}", *room])


def _luckier(study: Study, best: Best, records: Sequence[Record]) -> Iterator[str]:
    """Why the best is not the query with the greatest single value, where evaluations are noisy."""
    goal = study.task.objectives[0]
    full = [r for r in records if r.metrics is not None and r.feasible and r.epochs is None]
    others = [r for r in full if r.query != best.query]
    if not others:
        return
    luckiest = max(others, key=lambda r: goal.sign * (r.metrics or {})[goal.metric])
    value = (luckiest.metrics or {})[goal.metric]
    if goal.sign * (value - best.metrics[goal.metric]) <= 0:
        return
    once = f"query {luckiest.query} had {goal.metric} {number(value)} in one evaluation"
    every = [result[goal.metric] for result in luckiest.results if result]
    if len(every) > 1:
        mean = number(statistics.mean(every))
        yield f"{once}; the mean of its {len(every)} evaluations is {mean}"
    else:
        yield f"{once}; a model of all evaluations expects less of it (docs/noise.md)"


def _how(measured: Mapping[str, Any]) -> str:
    """How a metric was measured: the fields of a `hardware.Measurement`."""
    threads = measured.get("threads")
    parts = (
        measured.get("runtime") and f"by {measured['runtime']}",
        measured.get("device") and f"on {measured['device']}",
        threads and f"{threads} thread{'s' if threads > 1 else ''}",
        measured.get("iqr_ms") is not None and f"quartiles {measured['iqr_ms']:.2g} apart",
    )
    return f"  ({', '.join(part for part in parts if part)})"


def _comparison(study: Study, best: Best, records: Sequence[Record]) -> Iterator[str]:
    """The best against the median of the architectures that were drawn at random."""
    objective = study.task.objectives[0]
    drawn = [r for r in records if r.query <= study.random_queries and r.metrics is not None]
    if not drawn or any(r.epochs is not None for r in drawn):
        return  # Low-fidelity trainings do not compare with full ones.
    metric = objective.metric
    median = statistics.median(r.metrics[metric] for r in drawn if r.metrics is not None)
    value = best.metrics[metric]
    yield (
        f"the median of the {len(drawn)} {study.start} architectures of this run has {metric} "
        f"{number(median)}: the best one is {_better(objective, value, median)}"
    )


def _better(objective: Objective, value: float, median: float) -> str:
    gain = objective.sign * (value - median)
    if gain == 0:
        return "equal"
    return f"{number(abs(gain))} {'better' if gain > 0 else 'worse'}"


def nothing_found(study: Study, records: Sequence[Record]) -> Iterator[str]:
    """Why a search has no best architecture, with the nearest values to its limits."""
    measured = [r for r in records if r.metrics is not None]
    rules = " and ".join(str(constraint) for constraint in study.task.constraints)
    if not records and rules:
        yield f"no architecture was found: none that has {rules} could be proposed"
        return
    if not measured:
        yield "no architecture was found: no evaluation succeeded"
        return
    yield f"no architecture was found: none of the {len(measured)} measured ones has {rules}"
    for constraint in study.task.constraints:
        values = [
            r.metrics[constraint.metric]
            for r in measured
            if r.metrics is not None and constraint.metric in r.metrics
        ]
        if values:  # What was dropped has only its cheap metrics.
            nearest = min(values, key=constraint.violation)
            yield f"  the nearest {constraint.metric} is {number(nearest)}"


def _front(study: Study) -> Iterator[str]:
    names = [objective.metric for objective in study.task.objectives]
    size = f"{len(study.pareto)} architecture{'s' if len(study.pareto) > 1 else ''}"
    yield f"Pareto front of {', '.join(names)}: {size}"
    first = study.task.objectives[0]  # Along the front, not in the order of the queries.
    front = sorted(study.pareto, key=lambda f: -first.sign * f.metrics[first.metric])
    for found in front[:SHOWN]:
        values = ", ".join(f"{name} {number(found.metrics[name])}" for name in names)
        yield f"  {values}: {_cut(str(found))}"
    if len(front) > SHOWN:
        yield f"  … and {len(front) - SHOWN} more"


def _failures(study: Study, records: Sequence[Record]) -> Iterator[str]:
    stopped = [r for r in records if r.stopped]
    if stopped:
        spent = sum(r.cost for r in stopped)
        yield (
            f"stopped early, behind the others: {len(stopped)} of {len(records)} trainings, which "
            f"took {spent:.3g} of the budget"
        )
    reasons = Counter(r.reason for r in records if r.metrics is None and not r.stopped)
    if reasons:
        reason, count = reasons.most_common(1)[0]
        reason = " ".join(reason.split())  # Errors of torch have several lines.
        kinds = Counter(r.kind for r in records if r.metrics is None and not r.stopped)
        total = f"failed: {reasons.total()} of {len(records)} evaluations"
        if len(kinds) > 1:
            yield f"{total}: {', '.join(f'{n} {kind}' for kind, n in kinds.most_common())}"
            yield f"  {count} of them: {reason}"
        else:
            most = "" if len(reasons) == 1 else f" ({count} of them)"
            yield f"{total}{most}: {reason}"
        failed = next((r for r in records if r.traceback), None)
        if study.storage is not None and failed is not None:
            yield f"  {study_command('show', study, '--query', str(failed.query))}"


def _cut(text: str) -> str:
    return text if len(text) <= WIDTH else f"{text[: WIDTH - 1]}…"


def number(value: float) -> str:
    """Whole numbers with thousands separators, else six significant digits."""
    return f"{value:,.0f}" if value == int(value) and 1e3 <= abs(value) < 1e15 else f"{value:.6g}"

"""A study as the one JSON object of ``--json``."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

from optiproxy.study import Best, Record, Study
from optiproxy.study.records import finite


def json_output(study: Study, budget: int) -> str:
    """What ``optiproxy search --json`` prints."""
    best = study.best
    repeats = sum(len(record.repeats) for record in study.queries)
    dropped = (
        {"dropped": [_entry(study, record) for record in study.dropped]}
        if study.task.has_prefilter
        else {}
    )
    content = {
        "task": study.task.name,
        "method": study.method,
        "proxy": study.proxy,
        "seed": study.seed,
        "budget": budget,
        "queries": len(study.queries),
        **({"repeats": repeats} if repeats else {}),
        "best": None if best is None else plain_best(best),
        "trajectory": [_entry(study, record) for record in study.queries],
        **dropped,
        "pareto": [plain_best(found) for found in study.pareto],
        "seconds": {name: round(value, 6) for name, value in asdict(study.seconds).items()},
    }
    return json.dumps(content, allow_nan=False, ensure_ascii=False)


def _entry(study: Study, record: Record) -> dict[str, Any]:
    """A query without its times, so that equal searches have equal trajectories."""
    entry = record.plain()
    del entry["seconds"], entry["optimizer_seconds"]
    if study.task.low_fidelity is not None:
        entry["fidelity"] = record.epochs or study.task.fidelities[-1]
    return entry


def plain_best(found: Best) -> dict[str, Any]:
    plain = {"architecture": dict(found.architecture), "metrics": finite(found.metrics)}
    if not found.record.repeats:
        return plain
    return {
        **plain,
        "evaluations": found.evaluations,
        "deviations": finite(found.deviations),
        "first": finite(found.record.metrics or {}),
    }

"""A study as the one JSON object of ``--json``."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from optiproxy.study import Found, Record, Study


def answer(study: Study, budget: int) -> dict[str, Any]:
    """What ``optiproxy search --json`` prints, with values that JSON can hold."""
    best = study.best
    dropped = {"dropped": [_dropped(r) for r in study.dropped]} if study.task.has_prefilter else {}
    return {
        "task": study.task.name,
        "method": study.method,
        "proxy": study.proxy,
        "seed": study.seed,
        "budget": budget,
        "queries": len(study.queries),
        "best": None if best is None else _found(best),
        "trajectory": trajectory(study),
        **dropped,
        "pareto": [_found(found) for found in study.pareto],
        "seconds": {name: round(value, 6) for name, value in asdict(study.seconds).items()},
    }


def answer_text(study: Study, budget: int) -> str:
    return json.dumps(answer(study, budget), allow_nan=False, ensure_ascii=False)


def trajectory(study: Study) -> list[dict[str, Any]]:
    """The queries in their order; a failed one has no metrics and says why."""
    fidelities = study.task.fidelities if study.task.low_fidelity is not None else ()
    return [_entry(record, fidelities, study.task.reports_curve) for record in study.queries]


def _entry(record: Record, fidelities: Sequence[int], reports: bool) -> dict[str, Any]:
    entry: dict[str, Any] = {
        "query": record.query,
        "architecture": dict(record.architecture),
        "metrics": numbers(record.metrics or {}),
        "feasible": record.feasible,
    }
    if fidelities:
        entry["fidelity"] = record.epochs or fidelities[-1]
    if fidelities or reports:
        entry["cost"] = record.cost
    if record.metrics is None:
        entry["failed"] = record.reason
    if record.stopped:
        entry["stopped"] = True
    return entry


def _dropped(record: Record) -> dict[str, Any]:
    """What was measured and not trained."""
    return {
        "architecture": dict(record.architecture),
        "metrics": numbers(record.metrics or {}),
        "reason": record.reason,
    }


def _found(found: Found) -> dict[str, Any]:
    return {"architecture": dict(found.architecture), "metrics": numbers(found.metrics)}


def numbers(metrics: Mapping[str, float]) -> dict[str, float | None]:
    """Metrics as JSON can hold them: it has no word for NaN."""
    return {name: value if math.isfinite(value) else None for name, value in metrics.items()}

"""The files of a finished search: its figures and its trained network."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from optiproxy._atomic_write import whole
from optiproxy.cli._json_output import trajectory
from optiproxy.cli._networks import network, write_state
from optiproxy.study import Study
from optiproxy.study._storage.identity import constraint_text, objective_text


def write_files(study: Study, folder: Path, stem: str) -> Iterator[tuple[str, Path]]:
    """Writes what a study of a real training leaves: what it is, and where it was written."""
    yield "figure", _figure(study, folder / f"{stem}.png")
    if study.pareto:
        yield "front", _front(study, folder / f"{stem}-front.png")
    best = study.best
    if study.task.train is not None and best is not None:
        model, _ = network(study, best)
        path = folder / f"{stem}.pt"
        with whole(path) as unfinished:
            write_state(model, study, best, unfinished)
        yield "network", path


def _figure(study: Study, path: Path) -> Path:
    from optiproxy import report

    objective = study.task.objectives[0]
    report.search_figure(
        _full(study) or trajectory(study),
        path,
        objective=objective.metric,
        direction=objective.direction,
        constraints=[constraint_text(c) for c in study.task.constraints],
        title=study.name,
    )
    return path


def _front(study: Study, path: Path) -> Path:
    """The front, and the hypervolume over queries."""
    from optiproxy import report

    objectives = [objective_text(o) for o in study.task.objectives]
    return report.front_figure(_full(study), path, objectives=objectives, title=study.name)


def _full(study: Study) -> list[dict[str, Any]]:
    """The queries that were trained in full: short trainings are no rivals of theirs."""
    return [e for e, r in zip(trajectory(study), study.queries, strict=True) if r.epochs is None]

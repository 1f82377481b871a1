"""The files of a finished search: its figures and its trained network."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from optiproxy.cli._networks import network
from optiproxy.study import Study


def write_files(
    study: Study, folder: Path, stem: str, *, retrain: bool
) -> Iterator[tuple[str, Path]]:
    """Writes the report, the figures and the best network; yields what each is, and its path.

    The search of a table, which leaves no network, has its report alone.
    """
    from optiproxy import report

    yield "report", study.report(folder / f"{stem}.html")
    if study.task.in_memory:
        return

    objectives = study.task.objectives
    queries = study.queries
    # Low-fidelity trainings do not compare with full ones.
    shown = [r.plain() for r in queries if r.epochs is None] or [r.plain() for r in queries]
    figure = folder / f"{stem}.png"
    report.search_figure(
        shown,
        figure,
        objective=objectives[0].metric,
        direction=objectives[0].direction,
        constraints=[c.text for c in study.task.constraints],
        title=study.name,
    )
    yield "figure", figure
    if study.pareto:
        front = folder / f"{stem}-front.png"
        report.front_figure(shown, front, objectives=[o.text for o in objectives], title=study.name)
        yield "front", front
    best = study.best
    if best is not None and (retrain or best.weights is not None):
        path = folder / f"{stem}.pt"
        best.save(path, network(best, (), retrain=retrain), trained=True)
        yield "network", path

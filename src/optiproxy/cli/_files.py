"""The files of a finished search: its figure and its trained network."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from optiproxy.cli._answer import trajectory
from optiproxy.cli._networks import network, write_state
from optiproxy.study import Study
from optiproxy.study._identity import constraint_text


def write_files(study: Study, folder: Path, stem: str) -> list[tuple[str, Path]]:
    """Writes what a study of a real training leaves: what it is, and where it was written."""
    written = [("figure", _figure(study, folder / f"{stem}.png"))]
    best = study.best
    if study.task.train is not None and best is not None:
        model, _ = network(study, best)
        path = folder / f"{stem}.pt"
        with whole(path) as unfinished:
            write_state(model, study, best, unfinished)
        written.append(("network", path))
    return written


def _figure(study: Study, path: Path) -> Path:
    from optiproxy import report

    objective = study.task.objectives[0]
    queries = trajectory(study)
    # Short trainings are no rivals of full ones.
    full = [q for q in queries if q.get("cost", 1.0) == 1.0]
    report.search_figure(
        full or queries,
        path,
        objective=objective.metric,
        direction=objective.direction,
        constraints=[constraint_text(c) for c in study.task.constraints],
        title=study.name,
    )
    return path


@contextmanager
def whole(path: Path) -> Iterator[Path]:
    """A name to write to that becomes `path` at the end: nobody sees half a file."""
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    os.close(descriptor)
    try:
        yield Path(name)
        os.chmod(name, 0o666 & ~_umask())
        os.replace(name, path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask

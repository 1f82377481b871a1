"""The files of a finished search: its figure and its trained network."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from optiproxy.cli._answer import trajectory
from optiproxy.study import Found, Study
from optiproxy.study._identity import constraint_text
from optiproxy.tasks import evaluation_seed

if TYPE_CHECKING:
    from torch import nn


def write_files(study: Study, folder: Path, stem: str) -> list[tuple[str, Path]]:
    """Writes what a study of a real training leaves: what it is, and where it was written."""
    written = [("figure", _figure(study, folder / f"{stem}.png"))]
    train, best = study.task.train, study.best
    if train is not None and best is not None:
        # Once more as it was trained: the same seed makes the same network.
        print("training the best architecture once more, to keep it", file=sys.stderr)
        model = train(best.architecture, evaluation_seed(study.seed, best.architecture))
        written.append(("network", _network(study, best, model, folder / f"{stem}.pt")))
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


def _network(study: Study, best: Found, model: nn.Module, path: Path) -> Path:
    import torch

    content = {
        "state_dict": model.state_dict(),
        "architecture": dict(best.architecture),
        "task": study.task.name,
        "metrics": dict(best.metrics),
    }
    with whole(path) as unfinished:
        torch.save(content, unfinished)
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

"""What the experiments on models share: measured architectures of a table, in random order."""

from __future__ import annotations

import math
import os
import sys
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")
sys.path.insert(0, str(Path(__file__).parents[1]))

import numpy as np
import torch
from numpy.typing import NDArray

from optiproxy import tasks
from optiproxy.encodings import corners
from optiproxy.spaces import Space

LISTED = 4000


def measured(name: str, metric: str) -> tuple[Space, torch.Tensor, NDArray[np.float64]]:
    """A task's space, at most `LISTED` of its architectures (T, C, O), and their values (T,)."""
    task = tasks.get(name)
    rows = np.random.default_rng(0).permutation(task.space.all_indices)[:LISTED]
    found = [task.query(arch).metrics or {} for arch in task.space.from_indices(rows)]
    values = np.array([metrics.get(metric, math.nan) for metrics in found])
    known = np.isfinite(values)
    return (
        task.space,
        corners(task.space, torch.from_numpy(rows[known]), torch.float64),
        values[known],
    )

"""Scores without training against NAS-Bench-201: published scores, accuracy, and CPU time.

    python benchmarks/scores.py
    python benchmarks/scores.py --channels 16 --cells 5 --side 32 --examples 64 --architectures 60

Rank correlations (Spearman) over random cells with the columns of `nb201-costs-DATASET`. NASWOT,
LogSynflow and parameters of the cells as they are written are compared with the published ones,
which were computed so; every score of the cells' canonical forms, as a search computes them, with
test accuracy. The time is CPU milliseconds of one thread for each architecture.
"""

from __future__ import annotations

import time
from functools import partial

import _results
import numpy as np
from numpy.typing import ArrayLike
from scipy.stats import spearmanr

from optiproxy.scores import SCORES, NetworkScores
from optiproxy.scores.base import fixed_randomness
from optiproxy.scores.inputs import noise
from optiproxy.tasks import get

DATA_SETS = ("cifar10", "cifar100", "imagenet16-120")
# Ours → the column of the published table.
PUBLISHED = {"naswot": "naswot", "logsynflow": "logsynflow", "parameters": "params_m"}


def correlation(ours: ArrayLike, theirs: ArrayLike) -> float:
    return round(float(spearmanr(ours, theirs).statistic), 3)


def main() -> None:
    parser = _results.parser(__doc__)
    parser.add_argument("--architectures", type=int, default=500)
    parser.add_argument("--scores", nargs="+", default=SCORES.names(), metavar="NAME")
    parser.add_argument("--channels", type=int, default=8, help="of the first stage")
    parser.add_argument("--cells", type=int, default=1, help="of each stage")
    parser.add_argument("--side", type=int, default=16, help="pixels")
    parser.add_argument("--examples", type=int, default=16)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()

    tasks = {name: get(f"nb201-costs-{name}") for name in DATA_SETS}
    space = tasks["cifar10"].space
    rng = np.random.default_rng(options.seed)
    rows = rng.choice(len(space.all_indices), options.architectures, replace=False)
    archs = space.from_indices(space.all_indices[np.sort(rows)])
    columns = {name: [task.query(arch).metrics for arch in archs] for name, task in tasks.items()}
    build = partial(space.build, channels=options.channels, cells=options.cells)
    batch = noise(options.examples, 3, options.side, options.side)

    results: dict[str, dict[str, float]] = {}
    for score in options.scores:
        scores = NetworkScores(space, build, batch, names=[score], seed=options.seed)
        scores(archs[:1])  # what is imported and listed once
        began, scored = time.process_time(), len(scores.known)
        table = scores(archs)
        seconds = time.process_time() - began
        row = {"cpu_ms_with_build": round(seconds / (len(scores.known) - scored) * 1e3, 1)}
        if score in PUBLISHED:
            function, written = SCORES.get(score), []
            for arch in archs:
                with fixed_randomness(options.seed):
                    model = build(arch)
                written.append(function(model, batch, seed=options.seed))
            for data_set, metrics in columns.items():
                published = [line[PUBLISHED[score]] for line in metrics]
                row[f"{data_set}: published"] = correlation(written, published)
        for data_set, metrics in columns.items():
            accuracy = [line["test_accuracy"] for line in metrics]
            row[f"{data_set}: test_accuracy"] = correlation(table.values[:, 0], accuracy)
        results[score] = row
        print(score, row, flush=True)
    size = f"{options.channels}-channels-{options.cells}-cells"
    print(_results.write(f"scores-{size}", options, results))


if __name__ == "__main__":
    main()

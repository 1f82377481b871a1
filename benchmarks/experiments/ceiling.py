"""Limit of NAS-Bench-Graph: regret of the best of 100 that a model of half the table chooses.

    python benchmarks/experiments/ceiling.py

Ridge regressions on the choices, on their pairs, and on triples of the link and two operations are
fitted to the normal scores of a random half of a table (13,103 architectures) and rank the other
half, and the other way round. The regret of the hundred that rank highest is what a search could
expect whose proxy knew as much; the proxy of a search knows at most 100 architectures.
"""

from __future__ import annotations

import itertools
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

import _results
import numpy as np
import torch
from scipy.stats import spearmanr

from optiproxy import tasks
from optiproxy.encodings import corners
from optiproxy.proxies.ranks import normal_scores

DATA_SETS = ("computers", "cora", "cs", "physics", "pubmed")
QUERIES = 100
RIDGE = 10.0
RANDOM_SEARCHES = 2000


def features(p: torch.Tensor) -> dict[str, torch.Tensor]:
    """Features of p (B, C, O), the link first; each level includes the levels before it."""
    choices = range(p.shape[1])
    levels = [p.flatten(1)]
    levels += [
        torch.cat(
            [
                torch.einsum("bi,bj->bij", p[:, a], p[:, b]).flatten(1)
                for a, b in itertools.combinations(choices, 2)
            ],
            1,
        ),
        torch.cat(
            [
                torch.einsum("bi,bj,bk->bijk", p[:, 0], p[:, a], p[:, b]).flatten(1)
                for a, b in itertools.combinations(choices[1:], 2)
            ],
            1,
        ),
    ]
    names = ("choices", "pairs", "link and two operations")
    return {name: _used(torch.cat(levels[: i + 1], 1)) for i, name in enumerate(names)}


def _used(x: torch.Tensor) -> torch.Tensor:
    return x[:, x.sum(0) > 0]


def predicted(x: torch.Tensor, y: torch.Tensor, half: np.ndarray) -> torch.Tensor:
    """Cross-prediction, (B,): each half is predicted by the model of the other half."""
    out = torch.zeros_like(y)
    for fitted in (half, ~half):
        square = x[fitted].T @ x[fitted] + RIDGE * torch.eye(x.shape[1])
        out[~fitted] = x[~fitted] @ torch.linalg.solve(square, x[fitted].T @ y[fitted])
    return out


def main() -> None:
    parser = _results.parser(__doc__)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--data-sets", nargs="+", default=list(DATA_SETS))
    options = parser.parse_args()
    results = {}
    for name in options.data_sets:
        task = tasks.get(f"nasbench-graph-{name}")
        archs = task.space.from_indices(task.space.all_indices)
        accuracy = np.array([task.query(arch).metrics["val_accuracy"] for arch in archs])
        regret = accuracy.max() - accuracy
        rng = np.random.default_rng(options.seed)
        half = rng.permutation(len(accuracy)) % 2 == 0
        searches = [
            rng.choice(regret, QUERIES, replace=False).min() for _ in range(RANDOM_SEARCHES)
        ]
        y = normal_scores(torch.from_numpy(accuracy)[:, None])[:, 0].float()
        p = corners(task.space, torch.from_numpy(task.space.all_indices), torch.float32)
        results[name] = {"random": round(float(np.mean(searches)), 3)}
        for level, x in features(p).items():
            mean = predicted(x, y, half).numpy()
            order = np.argsort(-mean)
            rank = np.empty(len(order), int)
            rank[order] = np.arange(1, len(order) + 1)
            results[name][level] = {
                "regret": round(float(regret[order[:QUERIES]].min()), 3),
                "spearman": round(float(spearmanr(mean, accuracy).statistic), 3),
                "predicted_rank_of_the_best": int(rank[regret.argmin()]),
                "median_predicted_rank_of_the_ten_best": float(
                    np.median(rank[np.argsort(regret)[:10]])
                ),
            }
        print(name, results[name], flush=True)
    print(_results.write("experiment-ceiling", options, results))


if __name__ == "__main__":
    main()

"""Limit of a search under a latency limit: how predictable the optimum's measured latency is.

    python benchmarks/experiments/latency_ceiling.py

A ridge regression of the logarithm of latency on all pairs of choices is fitted to a random half of
a table and predicts the other half, and the other way round. Where the optimum is predicted to
break the limit that it meets, it was measured fast by chance, or for a reason that 7,800
measurements do not show, and a search of 100 queries finds it only against its model. The regret of
the best architecture that meets the limit as measured and as predicted is what it can expect.
"""

from __future__ import annotations

import itertools
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

import _results
import numpy as np
import torch
from ceiling import features, predicted
from hardware import DATA_SETS, DEVICES, QUANTILES

from optiproxy import tasks
from optiproxy.encodings import corners

NEAR = 0.1


def main() -> None:
    parser = _results.parser(__doc__)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    results = {}
    for data_set, device in itertools.product(DATA_SETS, DEVICES):
        task = tasks.get(f"hw-nb201-{data_set}-{device}")
        rows = task.space.all_indices
        found = [task.query(arch).metrics for arch in task.space.from_indices(rows)]
        accuracy = np.array([metrics["val_accuracy"] for metrics in found])
        latency = np.array([metrics["latency_ms"] for metrics in found])
        half = np.random.default_rng(options.seed).permutation(len(rows)) % 2 == 0
        x = features(corners(task.space, torch.from_numpy(rows), torch.float64).float())["pairs"]
        y = torch.from_numpy(np.log(latency)).float()
        mean = predicted(x, y - y.mean(), half).numpy() + float(y.mean())
        for quantile in QUANTILES:
            limit = task.quantile("latency_ms", quantile)
            keeps, kept = latency <= limit, mean <= np.log(limit)
            best = int(np.where(keeps, accuracy, -np.inf).argmax())
            near = np.abs(np.log(latency / limit)) < NEAR
            results[f"{task.name} at {quantile:g}"] = {
                "predicted_latency_of_the_optimum": round(float(np.exp(mean[best]) / limit), 3),
                "optimum_predicted_to_keep_it": bool(kept[best]),
                "regret_of_the_best_predicted_to_keep_it": round(
                    float(accuracy[best] - accuracy[keeps & kept].max()), 3
                ),
                "misjudged_within_10_percent": round(float((keeps != kept)[near].mean()), 3),
            }
    for quantile in QUANTILES:
        those = [r for name, r in results.items() if name.endswith(f" at {quantile:g}")]
        share = np.mean([r["optimum_predicted_to_keep_it"] for r in those])
        regret = np.mean([r["regret_of_the_best_predicted_to_keep_it"] for r in those])
        near = np.mean([r["misjudged_within_10_percent"] for r in those])
        print(f"{quantile:g}: optimum foreseen {share:.0%}, {regret:.3f}, misjudged {near:.0%}")
    print(_results.write("experiment-latency-ceiling", options, results))


if __name__ == "__main__":
    main()

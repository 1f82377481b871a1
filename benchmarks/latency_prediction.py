"""How well latency is measured and predicted on this machine, on the embedded space.

    python benchmarks/latency_prediction.py                    # in eager torch, as the task does
    python benchmarks/latency_prediction.py --runtime onnx

Random architectures of ``mnist1d`` are measured without training. The proxy is fitted to some of
them and judged by Spearman's correlation on the others, over several random splits, one a seed.
Some networks are measured a second time. Run it on an idle core.
"""

from __future__ import annotations

import os

import _results
import numpy as np
import torch
from scipy.stats import spearmanr

from optiproxy import hardware, proxies, tasks
from optiproxy.encodings import corners
from optiproxy.search.transforms import standardise


def correlations(space, rows: np.ndarray, values: np.ndarray, options) -> list[float]:
    """Spearman's correlation on the architectures that were not fitted, of each split."""
    found = []
    for seed in range(options.first_seed, options.first_seed + options.seeds):
        order = np.random.default_rng(seed).permutation(len(rows))
        known, others = order[: options.measurements], order[options.measurements :]
        proxy = proxies.get(options.proxy)(space, seed=seed)
        x = corners(space, torch.from_numpy(rows), proxy.dtype)
        y = torch.from_numpy(standardise(values[known]))[:, None].to(proxy.dtype)
        proxy.fit(x[known], y)
        with torch.no_grad():
            mean = proxy.mean(x[others])[:, 0]
        found.append(float(spearmanr(mean.numpy(), values[others]).statistic))
    return found


def main() -> None:
    parser = _results.parser(__doc__)
    parser.add_argument("--runtime", default="torch", choices=["torch", "onnx"])
    parser.add_argument("--measurements", type=int, default=40)
    parser.add_argument("--architectures", type=int, default=240)
    parser.add_argument("--repeated", type=int, default=60)
    parser.add_argument("--seeds", type=int, default=30)
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--proxy", default="gp")
    options = parser.parse_args()
    task = tasks.get("mnist1d")
    archs = task.space.sample(options.architectures, seed=options.first_seed)

    def measured(arch) -> hardware.Measurement:
        return hardware.measure(
            task.build(arch), task.example_input(), runtime=options.runtime, cached=False
        )

    first = [measured(arch) for arch in archs]
    values = np.array([made.latency_ms for made in first])
    second = np.array([measured(arch).latency_ms for arch in archs[: options.repeated]])
    apart = np.abs(second / values[: options.repeated] - 1)
    spearman = correlations(task.space, task.space.to_indices(archs), values, options)
    results = {
        "device": first[0].device,
        "versions": first[0].versions,
        "load_average": os.getloadavg()[0],
        "latency_ms": {q: float(np.quantile(values, q)) for q in (0, 0.25, 0.5, 0.75, 1)},
        "spearman": {
            "mean": round(float(np.mean(spearman)), 4),
            "min": round(min(spearman), 4),
            "part_of_at_least_0.9": float(np.mean(np.array(spearman) >= 0.9)),
        },
        "measured_twice": {
            "median_apart": round(float(np.median(apart)), 4),
            "max_apart": round(float(apart.max()), 4),
            "part_within_10_percent": float((apart <= 0.1).mean()),
        },
    }
    print(results)
    values = {
        "spearman": spearman,
        "latency_ms": values.tolist(),
        "second_latency_ms": second.tolist(),
    }
    print(_results.write(f"latency-{options.runtime}", options, results, values))


if __name__ == "__main__":
    main()

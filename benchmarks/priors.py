"""How well the Gaussian process's priors predict tables from few of their architectures.

    python benchmarks/priors.py                     # the present priors against the earlier ones
    python benchmarks/priors.py --fit --minutes 15  # from the present ones to better ones

A sample of 10, 18 or 30 architectures (the second half among the best tenth of the table, as in a
search) predicts 200 others. A set of priors is judged by the mean negative log density of the
standardised values, less their rank correlation, which counts families of tables alike.
`FITTED` had a say in the fit, `LEFT_OUT` had none. The present means come from several such fits,
one after the other with more families; how additive effects depend on the number of choices, and
the amplitude for numbers of a range, were set by hand.
"""

from __future__ import annotations

import argparse
import time

import _results
import numpy as np
import torch
from numpy.typing import NDArray
from scipy.stats import spearmanr

from optiproxy import tasks
from optiproxy.encodings import corners
from optiproxy.proxies import gp
from optiproxy.spaces import Chain, Float, Space

Array = NDArray[np.float64]
Sample = tuple[Space, torch.Tensor, Array]  # a space, p (N, C, O) and values (N,), maximised

# A table, and the metric if it is not its first objective.
FITTED = {
    "nas-bench-201": ["nb201-cifar10", "nb201-cifar100", "nb201-imagenet16-120"],
    "nas-bench-graph": ["nasbench-graph-cora", "nasbench-graph-computers"],
    "nas-bench-macro": ["nasbench-macro"],
    "spikenas": ["spikenas-cifar10"],
    "mnist1d": ["mnist1d-table"],
    "hw-gpt-bench": ["hwgpt-s-a100"],
    "nas-bench-mr": ["nasbench-mr-cls-50-100", "nasbench-mr-seg"],
    "accel-nasbench": ["accel-nasbench"],
    "latency": [
        "hwgpt-s-a100:latency_ms", "mnist1d-table:latency_ms",
        "accel-nasbench:latency_zcu102_ms", "nasbench-graph-cora:latency_ms",
        "hw-nb201-cifar10-raspi4:latency_ms", "hw-nb201-cifar10-pixel3:latency_ms",
    ],
    "functions of steps": ["hartmann6/steps", "hartmann3/steps"],
    "functions of ranges": ["hartmann6/range", "hartmann3/range"],
}  # fmt: skip
LEFT_OUT = {
    "nas-bench-nlp": ["nasbench-nlp-wikitext2"],
    "nas-bench-101": ["nb101-sample"],
    "oncenas-bench": ["oncenas-cifar10"],
}
SIZES = 10, 18, 30
SHOWN = 100  # of the table at random, and as many of its best
# What the priors were before 2026-11-30: means of the amplitudes and of the other parameters. Here
# they are compared with today's dependence on the number of choices.
EARLIER_AMPLITUDE = -1.0
EARLIER = {
    "weights": -2.0, "choices": -1.0, "ordinal": 0.0, "trends": 0.0, "paths": -1.0,
    "counts": -2.0, "active_counts": -2.0, "pairs": -2.0,
}  # fmt: skip
# A fit stays near to where it began: so much is added for each squared deviation.
PENALTY, DEVIATION = 0.003, 1.5
FIRST_STEP, LAST_STEP = 1.0, 0.2
HIGHEST = 1.0  # of an amplitude's mean

A3 = np.array([[3, 10, 30], [0.1, 10, 35], [3, 10, 30], [0.1, 10, 35]])
A6 = np.array(
    [[10, 3, 17, 3.5, 1.7, 8], [0.05, 10, 17, 0.1, 8, 14], [3, 3.5, 1.7, 10, 17, 8],
     [17, 8, 0.05, 10, 0.1, 14]]
)  # fmt: skip
P3 = np.array([[3689, 1170, 2673], [4699, 4387, 7470], [1091, 8732, 5547], [381, 5743, 8828]])
P6 = np.array(
    [[1312, 1696, 5569, 124, 8283, 5886], [2329, 4135, 8307, 3736, 1004, 9991],
     [2348, 1451, 3522, 2883, 3047, 6650], [4047, 8828, 8732, 5743, 1091, 381]]
)  # fmt: skip
HARTMANN = {"hartmann3": (A3, P3 / 1e4), "hartmann6": (A6, P6 / 1e4)}
HEIGHTS = np.array([1.0, 1.2, 3.0, 3.2])


def sample(name: str, n: int = 3000) -> Sample:
    """Up to `n` architectures of a table or a function with their values."""
    rng = np.random.default_rng(0)
    function, _, kind = name.partition("/")
    if kind:
        a, centres = HARTMANN[function]
        options = Float(0, 1) if kind == "range" else [step / 39 for step in range(40)]
        space: Space = Chain({f"x{i}": options for i in range(a.shape[1])})
        rows = space.random_indices(n, rng)
        x = np.array([list(arch.values()) for arch in space.from_indices(rows)], dtype=float)
        y = np.exp(-(a * (x[:, None] - centres) ** 2).sum(-1)) @ HEIGHTS
    else:
        table, _, metric = name.partition(":")
        task = tasks.get(table)
        space, objective = task.space, task.objectives[0]
        rows = np.unique(space.random_indices(n, rng), axis=0)
        sign = -1 if metric else objective.sign
        found = [task.query(arch).metrics or {} for arch in space.from_indices(rows)]
        y = np.array([sign * result.get(metric or objective.metric, np.nan) for result in found])
    known = np.isfinite(y)
    return space, corners(space, torch.from_numpy(rows[known]), torch.float64), y[known]


def quality(sampled: Sample, size: int, repeat: int) -> tuple[float, float]:
    """Negative log density and rank correlation of what one small sample predicts."""
    space, p, y = sampled
    rng = np.random.default_rng([7, size, repeat])
    best = np.argsort(-y)[: max(len(y) // 10, 40)]
    half = size // 2 if size > 10 else size
    known = rng.choice(len(y), half, replace=False)
    known = np.append(
        known, rng.choice(np.setdiff1d(best, known), size - half, replace=False)
    ).astype(int)
    others, better = np.setdiff1d(np.arange(len(y)), known), np.setdiff1d(best, known)
    shown = np.append(
        rng.choice(others, min(SHOWN, len(others)), replace=False),
        rng.choice(better, min(SHOWN, len(better)), replace=False),
    )
    centre, scale = np.median(y[known]), y[known].std() + 1e-12
    near = np.clip((y - centre) / scale, -4, 4)  # as targets of a search are, on the bad side
    near = (near - near[known].mean()) / (near[known].std() + 1e-12)
    model = gp.GaussianProcess(space)
    model.fit(p[known], torch.from_numpy(near[known, None]))
    mean, spread = (moment[:, 0].numpy() for moment in model.predict(p[shown]))
    spread = np.sqrt(spread**2 + float(model._fitted.noise[0]))
    density = 0.5 * ((near[shown] - mean) / spread) ** 2 + np.log(spread)
    return float(np.maximum(density.mean(), -3)), float(spearmanr(mean, near[shown]).statistic)


def qualities(samples: dict[str, list[Sample]], repeats: int) -> dict[str, list[float]]:
    """Of each family: log density and rank correlation for each size, then what is minimised."""
    found = {}
    for family, tables in samples.items():
        sizes = [
            np.mean([quality(one, n, k) for one in tables for k in range(repeats)], 0)
            for n in SIZES
        ]
        loss = float(np.mean([density - rank for density, rank in sizes]))
        found[family] = [*np.concatenate(sizes).round(3).tolist(), round(loss, 4)]
    return found


def means() -> dict[tuple[str, str], float]:
    """All means of priors that a fit may change."""
    amplitudes = {("amplitude", name): value for name, value in gp.AMPLITUDES.items()}
    return {**amplitudes, **{("scale", name): gp.PRIORS[name][0] for name in EARLIER}}


def use(priors: dict[tuple[str, str], float]) -> None:
    for (kind, name), value in priors.items():
        if kind == "amplitude":
            gp.AMPLITUDES[name] = value
        else:
            gp.PRIORS[name] = (value, gp.PRIORS[name][1])


def fit(samples: dict[str, list[Sample]], options: argparse.Namespace) -> None:
    """Changes one mean after another while that lowers the loss, by smaller and smaller steps."""
    start = means()

    def loss(priors: dict[tuple[str, str], float]) -> float:
        use(priors)
        found = np.mean([values[-1] for values in qualities(samples, options.repeats).values()])
        away = sum(((value - start[key]) / DEVIATION) ** 2 for key, value in priors.items())
        return float(found + PENALTY * away)

    best, lowest = start, loss(start)
    steps = dict.fromkeys(start, FIRST_STEP)
    end, rng = time.monotonic() + 60 * options.minutes, np.random.default_rng(0)
    while max(steps.values()) > LAST_STEP and time.monotonic() < end:
        for place in rng.permutation(len(start)):
            key = list(start)[place]
            for step in (steps[key], -steps[key]):
                tried = {**best, key: best[key] + step}
                if key[0] == "amplitude" and tried[key] > HIGHEST:
                    continue
                if (value := loss(tried)) < lowest - 1e-3:
                    best, lowest = tried, value
                    print(f"{' '.join(key)} {tried[key]:.2f}: {lowest:.4f}", flush=True)
                    break
            else:
                steps[key] /= 2
    use(best)


def main() -> None:
    parser = _results.parser(__doc__)
    parser.add_argument("--fit", action="store_true", help="look for better priors first")
    parser.add_argument("--minutes", type=float, default=15, help="of the fit")
    parser.add_argument("--repeats", type=int, default=8, help="samples of each size")
    options = parser.parse_args()
    torch.set_num_threads(1)
    samples = {family: [sample(name) for name in names] for family, names in FITTED.items()}
    if options.fit:
        fit(samples, options)
    now, priors = means(), {" ".join(key): value for key, value in means().items()}
    samples |= {family: [sample(name) for name in names] for family, names in LEFT_OUT.items()}
    found = {"now": qualities(samples, options.repeats)}
    use({key: EARLIER.get(key[1], EARLIER_AMPLITUDE) for key in now if key[0] == "scale"})
    use({key: EARLIER_AMPLITUDE for key in now if key[0] == "amplitude"})
    found["earlier"] = qualities(samples, options.repeats)
    for family, values in found["now"].items():
        print(f"{family}: {found['earlier'][family][-1]:.3f} earlier, {values[-1]:.3f} now")
    columns = [f"{what} from {n}" for n in SIZES for what in ("log density", "rank correlation")]
    results = {"columns": [*columns, "loss"], "priors": priors, "families": found}
    print(_results.write("priors", options, results))


if __name__ == "__main__":
    main()

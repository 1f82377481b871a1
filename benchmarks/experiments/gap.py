"""Rank correlation of prediction and measurement, and entropy of the architecture parameters.

    python benchmarks/experiments/gap.py --seeds 30

After each round: Spearman's rank correlation of the proxy's mean and the measured metric on a fixed
random sample of the space; the same for the search's own queries, in windows of 25 of them; and the
entropy of the parameters' distributions over the steps of the gradient ascent, as a share of the
uniform distribution's, averaged over groups and choices.
"""

from __future__ import annotations

from concurrent.futures import ProcessPoolExecutor
from typing import Any, NamedTuple
from unittest.mock import patch

import numpy as np
import torch
from _run import directions  # before torch: it bounds the threads
from scipy.stats import spearmanr
from torch import Tensor

import _results  # isort: skip - _run puts its folder on the path
import optiproxy.search._climb as climbing
from optiproxy import tasks
from optiproxy.encodings import corners
from optiproxy.proxies.base import Proxy
from optiproxy.search._candidates import GROUPS
from optiproxy.search._surrogates import Surrogates
from optiproxy.search._training_targets import Targets
from optiproxy.search.optiproxy import OptiProxy

TASKS = ("nb201-cifar10", "nb201-cifar100", "nb201-imagenet16-120")
SAMPLE = 1000
WINDOW = 25
# Of a course, for the result file.
VALUES = ("sample", "predicted", "measured")


class Observed(OptiProxy):
    """The default search; keeps the last round's proxy and the entropies of its ascent."""

    proxy = None
    entropies: list[float]

    def _propose(self, n, rng):
        self.proxy, self.entropies = None, []
        fitted, relax = Surrogates.fitted, climbing.relax

        def kept(surrogates: Surrogates, p: Tensor, targets: Targets) -> Proxy:
            self.proxy = fitted(surrogates, p, targets)
            return self.proxy

        def relaxed(alpha: Tensor, tau: float, mask: Tensor, *others: Any) -> Tensor:
            if len(alpha) == GROUPS:  # the global model ascends with fewer
                self.entropies.append(entropy(alpha.detach(), mask))
            return relax(alpha, tau, mask, *others)

        with patch.object(Surrogates, "fitted", kept), patch.object(climbing, "relax", relaxed):
            return super()._propose(n, rng)


def entropy(alpha: Tensor, mask: Tensor) -> float:
    """Entropy of softmax(alpha) as a share of the largest possible one; the mean over (G, C)."""
    p = alpha.masked_fill(~mask, -torch.inf).softmax(-1)
    bits = torch.special.entr(p).sum(-1)
    return float((bits / mask.sum(-1).log())[:, mask.sum(-1) > 1].mean())


class Course(NamedTuple):
    """One search, by round."""

    queries: list[int]
    sample: list[float]
    entropies: list[list[float]]
    predicted: list[float]
    measured: list[float]


def search(job: tuple[str, str, int, int]) -> Course:
    name, proxy, seed, budget = job
    task = tasks.get(name)
    objective = task.objectives[0]
    opt = Observed(task.space, directions(task), seed=seed, proxy=proxy)
    rows = task.space.random_indices(SAMPLE, np.random.default_rng(seed))
    truth = [task.query(a).metrics[objective.metric] for a in task.space.from_indices(rows)]
    course = Course([], [], [], [], [])
    while len(opt.queries) < budget:
        archs = opt.ask(min(opt.batch_size, budget - len(opt.queries)))
        predicted = opt.predictions(archs)
        results = [task.visible(task.query(a).metrics) for a in archs]
        if predicted is not None:
            with torch.no_grad():
                mean = opt.proxy.mean(corners(task.space, torch.from_numpy(rows), opt.proxy.dtype))
            correlation = spearmanr(mean[:, 0].numpy(), objective.sign * np.array(truth)).statistic
            course.queries.append(len(opt.queries))
            course.sample.append(float(correlation))
            course.entropies.append(opt.entropies)
            course.predicted.extend(predicted)
            course.measured.extend(result[objective.metric] for result in results)
        opt.tell(archs, results)
    return course


def summary(courses: list[Course]) -> dict[str, Any]:
    first = courses[0].queries[0]
    windows = {}
    for begin in range(0, first + len(courses[0].predicted), WINDOW):
        part = slice(max(0, begin - first), begin + WINDOW - first)
        values = [spearmanr(c.predicted[part], c.measured[part]).statistic for c in courses]
        windows[f"{begin + 1} to {begin + WINDOW}"] = spread(values)
    rounds = np.array([course.sample for course in courses])
    entropies = np.array([course.entropies for course in courses]).mean(0)  # (rounds, steps)
    return {
        "queries_known": courses[0].queries,
        "rank_correlation_on_sample": rounds.mean(0).round(4).tolist(),
        "rank_correlation_on_sample_std": [_results.std(each) or 0.0 for each in rounds.T],
        "rank_correlation_on_queries": windows,
        "entropy_at_start_of_climb": entropies[:, 0].round(4).tolist(),
        "entropy_at_end_of_climb": entropies[:, -1].round(4).tolist(),
        "entropy_over_steps": entropies.mean(0).round(4).tolist(),
    }


def spread(values: list[float]) -> dict[str, float | None]:
    known = np.array(values)[np.isfinite(values)]
    return {"mean": round(float(known.mean()), 3), "std": _results.std(known)}


def main() -> None:
    parser = _results.parser(__doc__)
    parser.add_argument("--seeds", type=int, default=30)
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--budget", type=int, default=100)
    parser.add_argument("--tasks", nargs="+", default=list(TASKS))
    parser.add_argument("--proxy", default="auto")
    parser.add_argument("--processes", type=int, default=2)
    options = parser.parse_args()
    seeds = range(options.first_seed, options.first_seed + options.seeds)
    results, values = {}, {}
    with ProcessPoolExecutor(options.processes) as pool:
        for name in options.tasks:
            jobs = [(name, options.proxy, seed, options.budget) for seed in seeds]
            courses = list(pool.map(search, jobs))
            results[name] = summary(courses)
            values[name] = {key: [getattr(c, key) for c in courses] for key in VALUES}
            print(name, results[name]["rank_correlation_on_queries"], flush=True)
    print(_results.write(f"experiment-gap-{options.proxy}", options, results, values))


if __name__ == "__main__":
    main()

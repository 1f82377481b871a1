"""Searches on a space that was found from a function, beside the same space written by hand.

    python benchmarks/found_spaces.py

The cell of `mnist1d-table` and the GPT of HW-GPT-Bench (`hwgpt-s-a40`): the function
asks for the same choices, whose names and options are those of the table, which answers both
searches. Regret is the distance to the best of the listed architectures.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from functools import cache

os.environ.setdefault("OMP_NUM_THREADS", "1")

import _results
import numpy as np
import torch
from scipy.stats import wilcoxon
from torch import nn

import optiproxy as op
from optiproxy.nn import Choose

EDGES = [(i, j) for j in range(1, 4) for i in range(j)]
BUDGETS = (15, 30)


class Zero(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return 0 * x


OPERATIONS = {
    "none": Zero,
    "skip": nn.Identity,
    "conv_3": lambda: nn.Conv1d(16, 16, 3, padding=1),
    "conv_5_dilated": lambda: nn.Conv1d(16, 16, 5, padding=4, dilation=2),
    "max_pool_3": lambda: nn.MaxPool1d(3, 1, 1),
}


class Cell(nn.Module):
    def __init__(self, layers: dict[str, nn.Module]) -> None:
        super().__init__()
        self.layers = nn.ModuleDict(layers)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        nodes = [x]
        for j in range(1, 4):
            nodes.append(sum(self.layers[f"{i}>{j}"](nodes[i]) for i in range(j)))
        return nodes[-1]


def cells(choose: Choose) -> nn.Module:
    stack = [Cell({f"{i}>{j}": choose(f"{i}>{j}", OPERATIONS)() for i, j in EDGES}) for _ in "ab"]
    head = nn.AdaptiveAvgPool1d(1), nn.Flatten(), nn.Linear(16, 10)
    return nn.Sequential(nn.Conv1d(1, 16, 3, padding=1), *stack, *head)


class Block(nn.Module):
    def __init__(self, width: int, heads: int, ratio: int, bias: bool) -> None:
        super().__init__()
        self.norms = nn.ModuleList([nn.LayerNorm(width, bias=bias) for _ in range(2)])
        self.attention = nn.MultiheadAttention(width, heads, bias=bias, batch_first=True)
        self.mlp = nn.Sequential(
            nn.Linear(width, ratio * width, bias), nn.GELU(), nn.Linear(ratio * width, width, bias)
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.norms[0](x)
        x = x + self.attention(y, y, y, need_weights=False)[0]
        return x + self.mlp(self.norms[1](x))


def gpt(choose: Choose) -> nn.Module:
    width, bias = choose("embed_dim", [192, 384, 768]), choose("bias", [False, True])
    blocks = [
        Block(width, choose(f"head_{i}", [4, 8, 12]), choose(f"mlp_{i}", [2, 3, 4]), bias)
        for i in range(choose("n_layer", [10, 11, 12]))
    ]
    return nn.Sequential(nn.Embedding(50, width), *blocks, nn.Linear(width, 50, bias=False))


TASKS: dict[str, Callable[[Choose], nn.Module]] = {"mnist1d-table": cells, "hwgpt-s-a40": gpt}


@cache
def tasks(name: str) -> dict[str, op.Task]:
    """The same search of the same rows, in both spaces."""
    table = op.tasks.get(name)
    table.prepare()
    metric, goal = table.objectives[0].metric, table.objectives[0].direction
    listed = table.space.from_indices(table.space.all_indices)

    def evaluate(arch: op.Architecture) -> dict[str, float]:
        return {metric: table.query(table.space.architecture(dict(arch))).metrics[metric]}

    found = op.space_of(TASKS[name])
    assert found.count == table.space.space.count
    spaces = {"by hand": table.space.space, "found": found}
    return {
        kind: op.Task(
            name,
            op.spaces.Pool(space, [space.architecture(dict(arch)) for arch in listed]),
            evaluate,
            objectives={metric: goal},
            in_memory=True,
            noise="none",
        )
        for kind, space in spaces.items()
    }


def one(job: tuple[str, str, int]) -> tuple[list[float], float]:
    """The best regret so far after each query, and the seconds of CPU time of all."""
    name, kind, seed = job
    torch.set_num_threads(1)
    task, best = tasks(name)[kind], op.tasks.get(name).optimum
    study = op.Study(task, seed=seed)
    start = time.process_time()
    study.run(budget=BUDGETS[-1])
    seconds = time.process_time() - start
    metric = task.objectives[0].metric
    apart = [abs(best - record.metrics[metric]) for record in study.queries]
    return np.minimum.accumulate(apart).tolist(), seconds


def main() -> None:
    parser = _results.parser(__doc__)
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--tasks", nargs="+", default=list(TASKS), choices=list(TASKS))
    parser.add_argument("--processes", type=int, default=1)
    options = parser.parse_args()
    results: dict[str, object] = {}
    values = {}
    with ProcessPoolExecutor(options.processes) as pool:
        for name in options.tasks:
            regrets = {}
            for kind in ("by hand", "found"):
                answers = list(pool.map(one, [(name, kind, s) for s in range(options.seeds)]))
                regrets[kind] = np.array([regret for regret, _ in answers])
                results[f"{name}, {kind}"] = {
                    str(n): {
                        "mean_regret": round(float(regrets[kind][:, n - 1].mean()), 5),
                        "std": _results.std(regrets[kind][:, n - 1]),
                    }
                    for n in BUDGETS
                } | {"cpu_seconds": round(float(np.mean([s for _, s in answers])), 2)}
                values[f"{name}, {kind}"] = {
                    str(n): regrets[kind][:, n - 1].round(6).tolist() for n in BUDGETS
                }
                print(name, kind, results[f"{name}, {kind}"], flush=True)
            differences = regrets["found"][:, -1] - regrets["by hand"][:, -1]
            p = wilcoxon(differences).pvalue if np.any(differences) else 1.0
            results[f"{name}, p"] = round(float(p), 4)
            print(name, "p", results[f"{name}, p"], flush=True)
    print(_results.write("found-spaces", options, results, values))


if __name__ == "__main__":
    main()

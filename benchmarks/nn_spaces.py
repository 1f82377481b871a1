"""Finding the choices of functions that build networks: how many runs, and how long.

    python benchmarks/nn_spaces.py

CPU seconds of one thread, best of three. The functions make real layers of torch.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import _results
import torch
from torch import nn

from optiproxy.nn import Choose, space_of
from optiproxy.nn._discovery import discover


def _conv(width: int, kernel: int) -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(width, width, kernel, padding=kernel // 2), nn.BatchNorm2d(width)
    )


def _separable(width: int, kernel: int) -> nn.Module:
    depthwise = nn.Conv2d(width, width, kernel, padding=kernel // 2, groups=width)
    return nn.Sequential(depthwise, nn.Conv2d(width, width, 1), nn.BatchNorm2d(width))


BLOCKS = {"conv": _conv, "separable": _separable, "none": None}


def cell(choose: Choose) -> nn.Module:
    """Six edges of five operations, as in NAS-Bench-201; three cells."""
    layers = [choose(f"edge{i}", {"none": nn.Identity, "relu": nn.ReLU, "pool": nn.Identity,
                                  "conv1": lambda: _conv(16, 1), "conv3": lambda: _conv(16, 3)})()
              for i in range(6) for _ in range(3)]  # fmt: skip
    return nn.Sequential(*layers)


def blocks(choose: Choose) -> nn.Module:
    """The example of the documentation: ten choices."""
    width = choose("width", [16, 32, 64])
    layers = []
    for i in range(choose("depth", [2, 3, 4])):
        if block := choose(f"block{i}", BLOCKS):
            layers.append(block(width, choose(f"kernel{i}", [3, 5])))
    return nn.Sequential(*layers)


def deep(choose: Choose) -> nn.Module:
    """Sixty choices, 10^20 networks."""
    width = choose("width", [8, 16])
    layers = []
    for i in range(choose("depth", [18, 20, 22, 24, 26, 29])):
        if block := choose(f"block{i}", BLOCKS):
            layers.append(block(width, choose(f"kernel{i}", [3, 5])))
    return nn.Sequential(*layers)


def stages(choose: Choose) -> nn.Module:
    """Four stages of one to four blocks of three choices, as in MobileNet."""
    layers = []
    for s in range(4):
        width = choose(f"width{s}", [16, 24, 32])
        for b in range(choose(f"depth{s}", [1, 2, 3, 4])):
            block = choose(f"block{s}.{b}", {"conv": _conv, "separable": _separable})
            layers.append(block(width, choose(f"kernel{s}.{b}", [3, 5, 7])))
            layers += [nn.Linear(width, width)] * choose(f"gate{s}.{b}", [0, 1])
    return nn.Sequential(*layers)


def measure(function: Callable[[Choose], nn.Module], repetitions: int) -> dict[str, float]:
    taken = []
    for _ in range(repetitions):
        start = time.process_time()
        choices, _, runs = discover(function)
        taken.append(time.process_time() - start)
    return {
        "choices": len(choices),
        "networks": float(space_of(function).count),
        "runs": len(runs),
        "seconds": round(min(taken), 3),
    }


def main() -> None:
    parser = _results.parser(__doc__)
    parser.add_argument("--repetitions", type=int, default=3)
    options = parser.parse_args()
    torch.set_num_threads(1)
    results = {}
    print(f"{'function':<10}{'choices':>9}{'networks':>11}{'runs':>6}{'seconds':>9}")
    for function in (cell, blocks, deep, stages):
        found = measure(function, options.repetitions)
        results[function.__name__] = found
        print(
            f"{function.__name__:<10}{found['choices']:9}{found['networks']:11.1e}"
            f"{found['runs']:6}{found['seconds']:9.2f}",
            flush=True,
        )
    print(_results.write("nn-spaces", options, results))


if __name__ == "__main__":
    main()

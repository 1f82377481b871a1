"""A task: a space, a function that trains and tests an architecture, an objective."""

from functools import cache

import torch
from torch import nn

import optiproxy as op
from stripes.space import Strided


def task():
    space = Strided({"kernel": [1, 3, 5], "stride": [1, 2], "width": [4, 8, 16], "depth": [1, 2]})
    return op.Task(
        "stripes",
        space,
        evaluate,
        objectives={"val_accuracy": "max"},
        metrics=["val_accuracy", op.Metric("params", parameters, exact=True)],
        build=build,
        example_input=lambda: torch.zeros(1, 1, 12, 12),
        description="which way noisy stripes run, in drawn images of 12 x 12 pixels",
    )


def build(arch):
    layers, inputs = [], 1
    for layer in range(arch["depth"]):
        kernel, stride = arch["kernel"], arch["stride"] if layer == 0 else 1
        layers += [nn.Conv2d(inputs, arch["width"], kernel, stride, kernel // 2), nn.ReLU()]
        inputs = arch["width"]
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(inputs, 4))


def parameters(arch):
    return sum(p.numel() for p in build(arch).parameters())


def evaluate(arch, seed):
    with torch.random.fork_rng(devices=[]):  # as an evaluator finds it, so it leaves it
        torch.manual_seed(seed)
        model, (x, y) = build(arch), images(seed=0)
        optimizer = torch.optim.AdamW(model.parameters(), lr=0.02)
        for _ in range(40):
            optimizer.zero_grad()
            nn.functional.cross_entropy(model(x), y).backward()
            optimizer.step()
        x, y = images(seed=1)
        with torch.no_grad():
            return 100 * (model(x).argmax(1) == y).float().mean().item()


@cache
def images(seed, number=400):
    """Noisy stripes in four directions: (number, 1, 12, 12), and the directions."""
    rng = torch.Generator().manual_seed(seed)
    label = torch.randint(4, (number,), generator=rng)
    place = torch.arange(12.0)
    across = torch.stack(
        [
            place[:, None] + 0 * place,
            place + 0 * place[:, None],
            (place[:, None] + place) / 2**0.5,
            (place[:, None] - place) / 2**0.5,
        ]
    )
    phase = 6.3 * torch.rand(number, 1, 1, generator=rng)
    noise = torch.randn(number, 12, 12, generator=rng)
    return ((2 * across[label] + phase).sin() + noise)[:, None], label

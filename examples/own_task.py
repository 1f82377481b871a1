"""A task of your own: a small classifier, as accurate as 1,000 parameters allow.

optiproxy search examples/own_task.py:task --budget 20
cd examples && optiproxy search own_task:task --budget 20
"""

import torch
from torch import nn

import optiproxy as op

space = op.spaces.Chain(
    {
        "depth": [1, 2, 3, 4],
        "width": [8, 16, 24, 32],
        "activation": ["relu", "gelu", "tanh"],
        "norm": ["none", "batch", "layer"],
    }
)
ACTIVATIONS = {"relu": nn.ReLU, "gelu": nn.GELU, "tanh": nn.Tanh}
NORMS = {"none": lambda width: nn.Identity(), "batch": nn.BatchNorm1d, "layer": nn.LayerNorm}


def spirals(points, seed):
    """Three noisy spirals in the plane, one a class."""
    rng = torch.Generator().manual_seed(seed)
    label = torch.randint(3, (points,), generator=rng)
    radius = torch.rand(points, generator=rng).sqrt()
    angle = 14 * radius + 2.1 * label + 0.3 * torch.randn(points, generator=rng)
    return torch.stack([radius * angle.cos(), radius * angle.sin()], dim=1), label


def build(arch):
    layers, inputs, width = [], 2, arch["width"]
    for _ in range(arch["depth"]):
        layers += [nn.Linear(inputs, width), NORMS[arch["norm"]](width)]
        layers += [ACTIVATIONS[arch["activation"]]()]
        inputs = width
    return nn.Sequential(*layers, nn.Linear(inputs, 3))


def evaluate(arch, seed):  # the seed is fixed by the study's seed and the architecture
    torch.manual_seed(seed)
    model, (x, y) = build(arch), spirals(1000, seed=0)
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.01)
    for _ in range(200):
        optimizer.zero_grad()
        nn.functional.cross_entropy(model(x), y).backward()
        optimizer.step()
    model.eval()
    metrics = {"params": sum(p.numel() for p in model.parameters())}
    for name, (x, y) in {"val": spirals(2000, seed=1), "test": spirals(2000, seed=2)}.items():
        metrics[f"{name}_accuracy"] = 100 * (model(x).argmax(1) == y).sum().item() / len(y)
    return metrics


task = op.Task("spirals", space, evaluate, objectives={"val_accuracy": "max"}, build=build,
               constraints={"params": "<= 1000"}, reported=["test_accuracy"])  # fmt: skip

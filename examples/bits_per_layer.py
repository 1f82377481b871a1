"""Bits per layer: post-training quantisation of a trained network under a limit on its size.

    python examples/bits_per_layer.py            # a minute
    python examples/bits_per_layer.py --quick
    optiproxy search examples/bits_per_layer.py:task --budget 40

A small residual network is trained once on scikit-learn's digits. An architecture says with how
many bits each of its layers is stored; its weights are rounded accordingly, nothing is trained
again.

For the real thing:
- `trained`: load your network, and `LAYERS`: its layers in the order in which they run;
- `quantised`: call your quantiser (torchao, ONNX Runtime, TensorRT) with the bits of each layer;
- `loss_of`: your validation data; with a short calibration or fine-tuning in it, if you do one;
- `kilobytes`: what your device stores, scales and zero points too.
"""

import copy
import sys
from functools import cache

import torch
from sklearn.datasets import load_digits
from torch import nn

import optiproxy as op

torch.set_num_threads(1)  # So small a network gains nothing from more.

BITS = [4, 8, 16]
images, labels = load_digits(return_X_y=True)
images = torch.tensor(images / 16, dtype=torch.float32).reshape(-1, 1, 8, 8)
labels = torch.tensor(labels)
train_it = op.train.classifier((images[:1200], labels[:1200]), epochs=25)


class Block(nn.Module):
    def __init__(self, i, o, stride):
        super().__init__()
        self.conv1 = nn.Conv2d(i, o, 3, stride, 1)
        self.conv2 = nn.Conv2d(o, o, 3, padding=1)
        self.norm1, self.norm2 = nn.BatchNorm2d(o), nn.BatchNorm2d(o)
        self.skip = nn.Conv2d(i, o, 1, stride)

    def forward(self, x):
        y = self.norm1(self.conv1(x)).relu()
        return (self.norm2(self.conv2(y)) + self.skip(x)).relu()


@cache
def trained():
    torch.manual_seed(0)
    model = nn.Sequential(
        nn.Conv2d(1, 12, 3, padding=1), nn.BatchNorm2d(12), nn.ReLU(),
        Block(12, 12, 1), Block(12, 12, 1), Block(12, 24, 2), Block(24, 24, 1), Block(24, 48, 2),
        nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(48, 10),
    )  # fmt: skip
    train_it(model)
    return model.eval()


BLOCKS = range(3, 8)
LAYERS = ["0", *(f"{b}.{part}" for b in BLOCKS for part in ("conv1", "conv2", "skip")), "10"]
space = op.spaces.Chain(dict.fromkeys(LAYERS, BITS))


def quantised(arch):
    model = copy.deepcopy(trained())
    with torch.no_grad():
        for layer, bits in arch.items():
            weight = model.get_submodule(layer).weight
            step = weight.abs().max() / (2 ** (bits - 1) - 0.5)  # symmetric, one scale for a layer
            weight.copy_(((weight / step + 0.5).round() - 0.5) * step)
    return model


def kilobytes(arch):
    model = trained()
    return sum(model.get_submodule(n).weight.numel() * bits for n, bits in arch.items()) / 8e3


def loss_of(arch):
    with torch.no_grad():
        logits = quantised(arch)(images[1200:])
    y = labels[1200:]
    accuracy = 100 * (logits.argmax(1) == y).float().mean().item()
    return {"val_loss": nn.functional.cross_entropy(logits, y).item(), "val_accuracy": accuracy}


task = op.Task(
    "bits-per-layer",
    space,
    loss_of,
    objectives={"val_loss": "min"},
    constraints={"kilobytes": "<= 34"},
    metrics=[op.Metric("kilobytes", kilobytes, exact=True)],
    build=quantised,
    example_input=lambda: images[:1],
)


def main(quick):
    budget, seeds = (10, 1) if quick else (30, 3)
    for bits in BITS:
        all_of_them = space.architecture(dict.fromkeys(LAYERS, bits))
        size, found = kilobytes(all_of_them), loss_of(all_of_them)
        print(f"{bits:2} bits everywhere: {size:5.1f} kB, loss {found['val_loss']:.3f}")
    for method in ("random", "optiproxy"):
        best = []
        for seed in range(seeds):
            study = op.Study(task, method=method, seed=seed)
            study.run(budget)
            best.append(study.best)
        mean = sum(b.metrics["val_loss"] for b in best) / seeds
        print(
            f"{method}: {mean:.3f} within 34 kB, the mean of {seeds} searches of {budget} queries"
        )
    winner = min(best, key=lambda b: b.metrics["val_loss"])
    print(f"the best: {winner.metrics}\n{dict(winner.architecture)}")


if __name__ == "__main__":
    main("--quick" in sys.argv)

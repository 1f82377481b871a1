"""Edge vision: family, depth, width and resolution of a classifier under a measured latency.

    python examples/edge_vision.py            # five minutes
    python examples/edge_vision.py --quick
    optiproxy search examples/edge_vision.py:task --budget 40 --workers 2

Each network is exported to ONNX and timed in ONNX Runtime on this machine, with one thread, before
its training; one that is too slow is not trained. It looks for a small digit of scikit-learn
somewhere in a larger image, so that resolution matters.

For the real thing:
- `measure="ssh pi ./measure.sh < {onnx}"`: your device times the network (docs/hardware.md);
- `constraints`: its frame rate; `"latency_ms <= 60%"` is relative to the largest of a sample;
- `images`: your `Dataset`, also a function that returns it; `epochs=30` or more, a GPU;
- `network`: your families; a detector works too, with a `train_and_test` of your own that returns
  its mAP.
"""

import sys

import torch
from sklearn.datasets import load_digits
from torch import nn

import optiproxy as op

torch.set_num_threads(1)  # So small a network gains nothing from more.

SIDE = 20
LIMIT_MS = 0.06


def images():
    """Digits of 8 x 8 pixels at random places of noisy images of 20 x 20."""
    rng = torch.Generator().manual_seed(0)
    digits, labels = load_digits(return_X_y=True)
    x = 0.3 * torch.rand(len(digits), 1, SIDE, SIDE, generator=rng)
    for image, digit in zip(x, torch.tensor(digits / 16).reshape(-1, 8, 8), strict=True):
        i, j = torch.randint(SIDE - 8, (2,), generator=rng).tolist()
        image[0, i : i + 8, j : j + 8] += digit
    return x, labels


def layer(i, o, kernel=3, stride=1, groups=1):
    conv = nn.Conv2d(i, o, kernel, stride, kernel // 2, groups=groups, bias=False)
    return nn.Sequential(conv, nn.BatchNorm2d(o), nn.ReLU())


class Residual(nn.Module):
    def __init__(self, i, o, stride):
        super().__init__()
        self.body = nn.Sequential(layer(i, o, 3, stride), layer(o, o))
        self.skip = nn.Conv2d(i, o, 1, stride)

    def forward(self, x):
        return self.body(x) + self.skip(x)


def plain(i, o, stride):
    return layer(i, o, 3, stride)


def separable(i, o, stride):
    return nn.Sequential(layer(i, i, 3, stride, groups=i), layer(i, o, 1))


def inverted(i, o, stride):
    return nn.Sequential(
        layer(i, 3 * i, 1), layer(3 * i, 3 * i, 3, stride, 3 * i), layer(3 * i, o, 1)
    )


FAMILIES = {"plain": plain, "residual": Residual, "separable": separable, "inverted": inverted}


def network(choose):
    block = choose("family", FAMILIES)
    resolution = choose("resolution", [10, 12, 16, 20])
    width = choose("width", [4, 8, 12, 16, 24])
    layers = [nn.Upsample((resolution, resolution), mode="bilinear"), layer(1, width)]
    inputs = width
    for stage in range(3):
        for i in range(choose(f"depth{stage}", [1, 2, 3])):
            outputs = width * 2**stage
            layers.append(block(inputs, outputs, 2 if i == 0 and stage else 1))
            inputs = outputs
    return nn.Sequential(*layers, nn.AdaptiveMaxPool2d(1), nn.Flatten(), nn.Linear(inputs, 10))


task = op.Task(
    "edge-vision",
    network,
    op.train.classifier(images, epochs=8, batch=64),
    constraints={"latency_ms": f"<= {LIMIT_MS}"},
    measure="onnx",
)


def main(quick):
    budget = 3 if quick else 25
    for method in ("random", "optiproxy"):
        study = op.Study(task, method=method, seed=0)
        study.run(budget)
        best = study.best
        found = {name: option for name, option in best.architecture.items() if option is not None}
        accuracy, latency = best.metrics["val_accuracy"], best.metrics["latency_ms"]
        print(f"{method}: {accuracy:.1f} % at {latency:.3f} ms: {found}")
        print(f"  {budget} trainings, {len(study.dropped)} were too slow and not trained")


if __name__ == "__main__":
    main("--quick" in sys.argv)

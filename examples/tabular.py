"""A table: MLP, ResNet or a transformer over columns, and the learning rate, in one search.

    python examples/tabular.py            # two minutes
    python examples/tabular.py --quick
    optiproxy search examples/tabular.py:task --budget 40 --workers 2

The learning rate is a choice as any other; the function that trains is given the architecture for
it. The families are those of Gorishniy et al., Revisiting Deep Learning Models for Tabular Data,
NeurIPS 2021, https://arxiv.org/abs/2106.11959. The table is drawn here: numbers and categories,
with interactions.

For the real thing:
- `table`: your columns, numbers standardised, categories as whole numbers;
- `train_and_test`: more epochs and early stopping; your own for regression (`op.train.classifier`
  is read quickly), with `objectives={"rmse": "min"}`;
- two trainings of one architecture differ by about 0.05 here, more than the best architectures do:
  confirm the winner before you believe a difference (`--confirm`, docs/noise.md).
"""

import sys
from functools import cache

import torch
from torch import nn

import optiproxy as op

torch.set_num_threads(1)  # So small a network gains nothing from more.

NUMBERS, CATEGORIES, KINDS, CLASSES = 8, 4, 6, 3


@cache
def table(rows=3000):
    """(rows, 12): eight numbers, four columns with the numbers of categories; and the classes."""
    rng = torch.Generator().manual_seed(0)
    x = torch.randn(rows, NUMBERS, generator=rng)
    kinds = torch.randint(KINDS, (rows, CATEGORIES), generator=rng)
    effect = torch.randn(CATEGORIES, KINDS, 3, generator=rng)
    hidden = torch.stack([effect[c, kinds[:, c]] for c in range(CATEGORIES)]).sum(0)
    hidden[:, 0] += 2 * x[:, 0] * x[:, 1] + (x[:, 2] > 0.3) * x[:, 3]
    hidden[:, 1] += 2 * (2 * x[:, 4]).sin() + x[:, 5].abs() * effect[0, kinds[:, 0], 0]
    hidden[:, 2] += (kinds[:, 0] == kinds[:, 1]) * 2 + x[:, 6] * x[:, 7]
    label = (hidden + 0.5 * torch.randn(rows, 3, generator=rng)).argmax(1)
    return torch.cat([x, kinds.float()], 1), label


class Tokens(nn.Module):
    """Every column as a vector: (B, 12) → (B, 12, width)."""

    def __init__(self, width):
        super().__init__()
        self.scale = nn.Parameter(torch.randn(NUMBERS, width) * width**-0.5)
        self.shift = nn.Parameter(torch.randn(NUMBERS, width) * width**-0.5)
        self.kinds = nn.Embedding(CATEGORIES * KINDS, width)

    def forward(self, x):
        numbers = x[:, :NUMBERS, None] * self.scale + self.shift
        kinds = x[:, NUMBERS:].long().clamp(0, KINDS - 1)
        first = torch.arange(CATEGORIES, device=x.device) * KINDS
        return torch.cat([numbers, self.kinds(kinds + first)], 1)


class Residual(nn.Module):
    def __init__(self, width, ratio, dropout):
        super().__init__()
        self.body = nn.Sequential(
            nn.BatchNorm1d(width), nn.Linear(width, ratio * width), nn.ReLU(), nn.Dropout(dropout),
            nn.Linear(ratio * width, width),
        )  # fmt: skip

    def forward(self, x):
        return x + self.body(x)


class Mean(nn.Module):
    def forward(self, x):
        return x.mean(1)


def network(choose):
    choose.float("learning_rate", 1e-4, 1e-1, steps=10, log=True)
    dropout = choose("dropout", [0.0, 0.1, 0.2, 0.4])
    columns = choose("column_width", [4, 8, 16])
    depth = choose("depth", [1, 2, 3])
    tokens, flat = Tokens(columns), nn.Flatten()
    inputs = columns * (NUMBERS + CATEGORIES)
    match choose("family", ["mlp", "resnet", "transformer"]):
        case "mlp":
            width = choose("mlp_width", [32, 64, 128, 256])
            layers = []
            for _ in range(depth):
                layers += [nn.Linear(inputs, width), nn.ReLU(), nn.Dropout(dropout)]
                inputs = width
            return nn.Sequential(tokens, flat, *layers, nn.Linear(inputs, CLASSES))
        case "resnet":
            width, ratio = choose("resnet_width", [32, 64, 128]), choose("resnet_ratio", [1, 2, 4])
            blocks = [Residual(width, ratio, dropout) for _ in range(depth)]
            first, last = nn.Linear(inputs, width), nn.Linear(width, CLASSES)
            return nn.Sequential(tokens, flat, first, *blocks, nn.ReLU(), last)
        case _:
            heads, ratio = choose("heads", [1, 2, 4]), choose("transformer_ratio", [1, 2])
            blocks = [
                nn.TransformerEncoderLayer(
                    columns, heads, ratio * columns, dropout, batch_first=True, norm_first=True
                )
                for _ in range(depth)
            ]
            return nn.Sequential(tokens, *blocks, Mean(), nn.Linear(columns, CLASSES))


def train_and_test(model, *, arch, seed):
    def optimizer(parameters):
        return torch.optim.AdamW(parameters, lr=arch["learning_rate"])

    return op.train.classifier(table(), epochs=6, optimizer=optimizer)(model, seed=seed)


task = op.Task(
    "tabular",
    network,
    train_and_test,
    objectives={"val_loss": "min"},
    example_input=lambda: table()[0][:1],
)


def main(quick):
    budget, seeds = (4, 1) if quick else (30, 2)
    for method in ("random", "optiproxy"):
        best = []
        for seed in range(seeds):
            study = op.Study(task, method=method, seed=seed)
            study.run(budget)
            best.append(study.best)
        mean = sum(b.metrics["val_loss"] for b in best) / seeds
        print(f"{method}: loss {mean:.3f}, the mean of {seeds} searches of {budget} queries")
    winner = min(best, key=lambda b: b.metrics["val_loss"])
    print({name: option for name, option in winner.architecture.items() if option is not None})


if __name__ == "__main__":
    main("--quick" in sys.argv)

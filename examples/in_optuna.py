"""Inside Optuna: an existing study gets OptiProxy as its sampler, by changing one line.

    python examples/in_optuna.py            # three minutes
    python examples/in_optuna.py --quick

The objective is an ordinary one: it suggests, builds, trains, and states the limit as Optuna has
it. All choices of a trial are proposed together, and the order of the numbers is used.

For the real thing: keep your objective, pass `sampler=op.OptiProxySampler(seed=0)` to
`optuna.create_study`, and keep your storage and your dashboard. Numbers need steps (`step=`, or a
list of options); parameters of other kinds are drawn at random.
"""

import sys

import optuna
import torch
from sklearn.datasets import load_digits
from torch import nn

import optiproxy as op

x, y = load_digits(return_X_y=True)
train_and_test = op.train.classifier((x / 16, y), epochs=4)
LIMIT = 12_000


def objective(trial):
    width = trial.suggest_int("width", 16, 128, step=16)
    depth = trial.suggest_int("depth", 1, 4)
    activation = trial.suggest_categorical("activation", ["relu", "gelu", "tanh"])
    norm = trial.suggest_categorical("norm", ["none", "batch", "layer"])
    dropout = trial.suggest_categorical("dropout", [0.0, 0.1, 0.3])
    torch.manual_seed(0)
    layers, inputs = [], 64
    for _ in range(depth):
        layers += [nn.Linear(inputs, width)]
        layers += {"none": [], "batch": [nn.BatchNorm1d(width)], "layer": [nn.LayerNorm(width)]}[
            norm
        ]
        layers += [{"relu": nn.ReLU, "gelu": nn.GELU, "tanh": nn.Tanh}[activation]()]
        layers += [nn.Dropout(dropout)]
        inputs = width
    model = nn.Sequential(*layers, nn.Linear(inputs, 10))
    params = sum(p.numel() for p in model.parameters())
    trial.set_constraint("parameters", params - LIMIT)  # met if it is 0 or less
    return train_and_test(model, seed=0)["val_loss"]


def main(quick):
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    trials, seeds = (8, 1) if quick else (40, 3)
    for sampler in (optuna.samplers.RandomSampler, optuna.samplers.TPESampler, op.OptiProxySampler):
        best = []
        for seed in range(seeds):
            study = optuna.create_study(direction="minimize", sampler=sampler(seed=seed))
            study.optimize(objective, n_trials=trials)
            best.append(study.best_trial)
        mean = sum(trial.value for trial in best) / seeds
        print(
            f"{sampler.__name__}: loss {mean:.4f}, the mean of {seeds} studies of {trials} trials"
        )
    print(min(best, key=lambda trial: trial.value).params)


if __name__ == "__main__":
    main("--quick" in sys.argv)

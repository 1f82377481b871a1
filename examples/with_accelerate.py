"""accelerate users pass their own training function: an `Accelerator` in it, as ever.

    pip install accelerate
    python examples/with_accelerate.py            # half a minute
    python examples/with_accelerate.py --quick
    optiproxy search examples/with_accelerate.py:task --budget 40 --workers 2

For the real thing: your loop with `Accelerator(mixed_precision="bf16")`. One search is many
trainings: let `--gpus auto` give each worker its GPU; a training over several GPUs is a command
that `train_and_test` starts (`accelerate launch`) and whose metrics it reads.
"""

import sys

import torch
from accelerate import Accelerator
from accelerate.utils import set_seed
from sklearn.datasets import load_digits
from torch import nn
from torch.utils.data import DataLoader, TensorDataset, random_split

import optiproxy as op

torch.set_num_threads(1)  # So small a network gains nothing from more.

x, y = load_digits(return_X_y=True)
data = TensorDataset(
    torch.tensor(x / 16, dtype=torch.float32).reshape(-1, 1, 8, 8), torch.tensor(y)
)
training, validation = random_split(data, [0.8, 0.2], torch.Generator().manual_seed(0))


def network(choose):
    width, norm = choose("width", [4, 8, 12, 16]), choose("norm", [None, "batch"])
    layers, inputs = [], 1
    for i in range(choose("depth", [1, 2, 3, 4])):
        kernel = choose(f"kernel{i}", [1, 3, 5])
        layers += [nn.Conv2d(inputs, width, kernel, padding=kernel // 2)]
        layers += [nn.BatchNorm2d(width)] if norm else []
        layers += [nn.ReLU()]
        inputs = width
    return nn.Sequential(*layers, nn.AdaptiveMaxPool2d(2), nn.Flatten(), nn.Linear(4 * width, 10))


def train_and_test(model, *, seed, report):
    set_seed(seed)
    accelerator = Accelerator(cpu=True)
    batches, tests = DataLoader(training, 64, shuffle=True), DataLoader(validation, 400)
    optimizer = torch.optim.AdamW(model.parameters(), lr=5e-3)
    model, optimizer, batches, tests = accelerator.prepare(model, optimizer, batches, tests)
    for epoch in range(1, 4):
        model.train()
        for x, y in batches:
            optimizer.zero_grad()
            accelerator.backward(nn.functional.cross_entropy(model(x), y))
            optimizer.step()
        model.eval()
        right = []
        with torch.no_grad():
            for x, y in tests:
                right.append(accelerator.gather_for_metrics(model(x).argmax(1) == y))
        accuracy = 100 * torch.cat(right).float().mean().item()
        report(epoch, accuracy)
    return {"val_accuracy": accuracy}


task = op.Task(
    "with-accelerate",
    network,
    train_and_test,
    objectives={"val_accuracy": "max"},
    constraints={"params": "<= 4000"},
    example_input=lambda: torch.zeros(1, 1, 8, 8),
)


def main(quick):
    for method in ("random", "optiproxy"):
        study = op.Study(task, method=method)
        study.run(budget=3 if quick else 25)
        best = study.best
        accuracy, params = best.metrics["val_accuracy"], best.metrics["params"]
        print(f"{method}: {accuracy:.1f} %, {params:,.0f} parameters")
    print({name: option for name, option in best.architecture.items() if option is not None})


if __name__ == "__main__":
    main("--quick" in sys.argv)

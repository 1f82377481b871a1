"""Lightning users pass their own training function, with a `Trainer` in it as ever.

    pip install lightning
    python examples/with_lightning.py            # a minute
    python examples/with_lightning.py --quick
    optiproxy search examples/with_lightning.py:task --budget 40 --workers 2

For the real thing: your `LightningModule` and `LightningDataModule`, `accelerator="auto"`, your
callbacks. One search is many trainings: keep `devices=1` and let `--gpus auto` give each worker
its GPU. `report` lets the search stop trainings that are behind; without it, leave the callback
out.
"""

import logging
import sys
import warnings

import lightning
import torch
from sklearn.datasets import load_digits
from torch import nn
from torch.utils.data import DataLoader, TensorDataset, random_split

import optiproxy as op

torch.set_num_threads(1)  # So small a network gains nothing from more.

logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
warnings.filterwarnings("ignore", module="lightning")
x, y = load_digits(return_X_y=True)
data = TensorDataset(torch.tensor(x / 16, dtype=torch.float32), torch.tensor(y))
training, validation = random_split(data, [0.8, 0.2], torch.Generator().manual_seed(0))


class Classifier(lightning.LightningModule):
    def __init__(self, model):
        super().__init__()
        self.model = model

    def training_step(self, batch, _):
        return nn.functional.cross_entropy(self.model(batch[0]), batch[1])

    def validation_step(self, batch, _):
        logits = self.model(batch[0])
        self.log("val_loss", nn.functional.cross_entropy(logits, batch[1]))
        self.log("val_accuracy", 100 * (logits.argmax(1) == batch[1]).float().mean())

    def configure_optimizers(self):
        return torch.optim.AdamW(self.parameters(), lr=3e-3)


class Reported(lightning.Callback):
    """Tells the search how far a training is."""

    def __init__(self, report):
        self.report = report

    def on_validation_epoch_end(self, trainer, module):
        self.report(trainer.current_epoch + 1, trainer.callback_metrics["val_accuracy"].item())


def network(choose):
    layers, inputs = [], 64
    activation = choose("activation", {"relu": nn.ReLU, "gelu": nn.GELU, "tanh": nn.Tanh})
    for i in range(choose("depth", [1, 2, 3])):
        width = choose(f"width{i}", [16, 32, 64, 96])
        layers += [nn.Linear(inputs, width), activation()]
        inputs = width
    return nn.Sequential(*layers, nn.Linear(inputs, 10))


def train_and_test(model, *, seed, report):
    trainer = lightning.Trainer(
        max_epochs=4, accelerator="cpu", devices=1, callbacks=[Reported(report)], logger=False,
        enable_checkpointing=False, enable_progress_bar=False, enable_model_summary=False,
        num_sanity_val_steps=0,
    )  # fmt: skip
    order = torch.Generator().manual_seed(seed)
    batches = DataLoader(training, 64, shuffle=True, generator=order)
    trainer.fit(Classifier(model), batches, DataLoader(validation, 400))
    return {name: value.item() for name, value in trainer.callback_metrics.items()}


task = op.Task(
    "with-lightning",
    network,
    train_and_test,
    objectives={"val_accuracy": "max"},
    constraints={"params": "<= 8000"},
    example_input=lambda: torch.zeros(1, 64),
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

"""Trains a network to classify, and tests it. To be used as it is, or copied and changed."""

from __future__ import annotations

import hashlib
import math
import os
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from optiproxy import durations
from optiproxy.errors import EvaluationFailed, invalid, whole_number
from optiproxy.metrics import Noise
from optiproxy.train.data import Data, Parts

Optimizer = Callable[[Iterable[nn.Parameter]], torch.optim.Optimizer]


def classifier(
    dataset: Data | Callable[[], Data],
    *,
    epochs: int = 10,
    batch: int = 128,
    optimizer: Optimizer | None = None,
    validation: float | Data = 0.2,
    test: Data | None = None,
    time_limit: float | str | None = None,
    checkpoints: str | Path | None = None,
    device: str | None = None,
    loader_processes: int = 0,
) -> Classifier:
    """A training function for classification, to be given to a task.

    >>> data = torch.rand(60, 4), torch.arange(60) % 3
    >>> train_and_test = classifier(data, epochs=2, batch=16)
    >>> sorted(train_and_test(nn.Linear(4, 3), seed=1))
    ['val_accuracy', 'val_loss']

    Args:
        dataset: ``(inputs, labels)``, arrays or tensors; or a `Dataset` of pairs of an input and a
            label; or a function that returns one, which is called once in each process.
        epochs: Passes over the training part, where the task has no fidelities.
        batch: Examples of a step.
        optimizer: ``optimizer(parameters)``; by default AdamW with a learning rate of 0.003. Its
            learning rate is the peak of a one-cycle schedule (Smith and Topin, 2018,
            https://arxiv.org/abs/1708.07120).
        validation: The part of `dataset` that is not trained on, the same for every seed; or data
            of their own.
        test: Data that give ``test_accuracy``, which the optimiser never sees.
        time_limit: Of a training: seconds, or a text such as ``"5m"``.
        checkpoints: A folder, made where it is missing. The state after each epoch is kept there: a
            training that was interrupted goes on, and one that was finished is not repeated.
        device: As torch names it; by default the GPU, where there is one. There it computes in
            mixed precision (``torch.autocast``).
        loader_processes: That load examples of a `Dataset`; 0 loads them between the steps.

    Raises:
        InvalidValueError: An argument can't be used.
    """
    limit = None if time_limit is None else durations.seconds("classifier: time_limit", time_limit)
    if isinstance(validation, float | int) and not 0 < validation < 1:
        raise invalid("classifier: validation", validation, "give a part between 0 and 1, or data")
    device = device or ("cuda" if torch.cuda.is_available() else "cpu")
    processes = whole_number("classifier: loader_processes", loader_processes, 0)
    batch = whole_number("classifier: batch", batch)
    return Classifier(
        Parts(dataset, validation, test, device, batch, processes),
        whole_number("classifier: epochs", epochs),
        optimizer or _adamw,
        device=device,
        tests=test is not None,
        time_limit=limit,
        checkpoints=None if checkpoints is None else Path(checkpoints),
    )


def _adamw(parameters: Iterable[nn.Parameter]) -> torch.optim.Optimizer:
    return torch.optim.AdamW(parameters, lr=0.003)


class Classifier:
    """``train_and_test(model, seed=…, epochs=…, report=…)``, made by `classifier`.

    Attributes:
        objectives: ``{"val_accuracy": "max"}``, in %.
        reported: ``test_accuracy``, where there are test data.
        noise: ``repeat``: another seed gives another accuracy.
    """

    objectives: Mapping[str, str] = {"val_accuracy": "max"}
    noise: Noise = "repeat"

    def __init__(
        self,
        parts: Parts,
        epochs: int,
        optimizer: Optimizer,
        *,
        device: str,
        tests: bool,
        time_limit: float | None,
        checkpoints: Path | None,
    ) -> None:
        self._parts, self._epochs, self._optimizer = parts, epochs, optimizer
        self._device, self._time_limit, self._checkpoints = device, time_limit, checkpoints
        self.reported = ("test_accuracy",) if tests else ()

    def example_input(self) -> Tensor:
        """The first training example, a batch of one: networks are counted with it."""
        x: Tensor = self._parts["training"][0][0]
        return x[None].cpu()

    def __call__(
        self,
        model: nn.Module,
        *,
        seed: int = 0,
        epochs: int | None = None,
        report: Callable[[int, float], Any] | None = None,
        arch: Mapping[str, Any] | None = None,
        folder: Path | None = None,
    ) -> dict[str, float]:
        """Trains `model` in place.

        Args:
            model: The network; its output is one number (logit) for each class.
            seed: Of the order of examples.
            epochs: Instead of those of `classifier`.
            report: Called after each epoch with its number and ``val_accuracy``.
            arch: What its checkpoints are named by.
            folder: Where its checkpoint is kept, if `classifier` was given no `checkpoints`.

        Returns:
            ``val_accuracy`` in %, ``val_loss``, and ``test_accuracy`` where there are test data.

        Raises:
            EvaluationFailed: The loss is no finite number, or the time limit was exceeded.
        """
        epochs = epochs or self._epochs
        end = time.monotonic() + (self._time_limit or math.inf)
        model.to(self._device)
        optimizer = self._optimizer(model.parameters())
        schedule = torch.optim.lr_scheduler.OneCycleLR(
            optimizer,
            [group["lr"] for group in optimizer.param_groups],
            total_steps=epochs * self._parts.steps() + 1,
            cycle_momentum=False,
        )
        half = self._precision() == torch.float16
        scaler = torch.amp.GradScaler(torch.device(self._device).type, enabled=half)
        state = {"model": model, "optimizer": optimizer, "schedule": schedule, "scaler": scaler}
        file = self._file(seed, epochs, arch)
        if file is None and folder is not None:
            file = folder / "checkpoint.pt"
        for epoch in range(_resumed(state, file, self._device) + 1, epochs + 1):
            model.train()
            for x, y in self._parts.batches("training", seed=seed * 10_007 + epoch):
                if time.monotonic() > end:
                    raise EvaluationFailed(f"the training took longer than {self._time_limit:g} s")
                optimizer.zero_grad()
                with self._autocast():
                    loss = nn.functional.cross_entropy(model(x), y)
                scaler.scale(loss).backward()  # type: ignore[no-untyped-call]
                scaler.step(optimizer)
                scaler.update()
                schedule.step()
            if not math.isfinite(float(loss.detach())):
                raise EvaluationFailed(f"the training diverged: the loss is {float(loss.detach())}")
            if file is not None:
                _keep(state, file, epoch)
            if report is not None:
                report(epoch, self._tested(model, "validation")[0])
        accuracy, mean = self._tested(model, "validation")
        found = {"val_accuracy": accuracy, "val_loss": mean}
        if self.reported:
            found["test_accuracy"] = self._tested(model, "test")[0]
        if self._checkpoints is None and file is not None:
            file.unlink(missing_ok=True)  # It was for a training that is interrupted.
        return found

    def _tested(self, model: nn.Module, part: str) -> tuple[float, float]:
        """Accuracy in %, and the mean loss."""
        model.eval()
        right, loss, size = 0, 0.0, 0
        with torch.no_grad(), self._autocast():
            for x, y in self._parts.batches(part):
                logits = model(x).float()
                right += int((logits.argmax(1) == y).sum())
                loss += float(nn.functional.cross_entropy(logits, y, reduction="sum"))
                size += len(y)
        return 100.0 * right / size, loss / size

    def _precision(self) -> torch.dtype:
        if not self._device.startswith("cuda"):
            return torch.float32
        return torch.bfloat16 if torch.cuda.is_bf16_supported() else torch.float16

    def _autocast(self) -> torch.autocast:
        precision = self._precision()
        kind = torch.device(self._device).type
        return torch.autocast(kind, precision, enabled=precision != torch.float32)

    def _file(self, seed: int, epochs: int, arch: Mapping[str, Any] | None) -> Path | None:
        """Where the state of a training is kept."""
        if self._checkpoints is None:
            return None
        self._checkpoints.mkdir(parents=True, exist_ok=True)
        name = hashlib.sha256(f"{sorted((arch or {}).items())} {seed} {epochs}".encode())
        return self._checkpoints / f"{name.hexdigest()[:16]}.pt"


def _resumed(state: Mapping[str, Any], file: Path | None, device: str) -> int:
    """Reads a checkpoint back; the number of epochs that it had."""
    if file is None or not file.exists():
        return 0
    stored = torch.load(file, map_location=device, weights_only=True)
    for name, part in state.items():
        part.load_state_dict(stored[name])
    return int(stored["epoch"])


def _keep(state: Mapping[str, Any], file: Path, epoch: int) -> None:
    unfinished = file.with_suffix(f".{os.getpid()}")
    stored = {name: part.state_dict() for name, part in state.items()}
    torch.save({**stored, "epoch": epoch}, unfinished)
    unfinished.replace(file)

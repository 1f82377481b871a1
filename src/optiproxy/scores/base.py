"""The frame around every score: fixed seed, one thread, and a model that is left as it was.

>>> import torch
>>> from torch import nn
>>> from optiproxy.scores.base import Batch, forward, score
>>> @score
... def output_spread(model: nn.Module, batch: Batch) -> float:
...     return float(forward(model, batch).detach().std())
>>> output_spread(nn.Linear(3, 2), torch.randn(8, 3)) > 0
True
"""

from __future__ import annotations

import functools
import itertools
import math
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor, nn

from optiproxy.errors import ScoreFailed
from optiproxy.hardware import materialise, pinned_threads
from optiproxy.scalars import to_float

Batch = tuple[Tensor, ...]
Input = Tensor | Sequence[Tensor]

BATCH_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d, nn.SyncBatchNorm)


class Score(Protocol):
    """A score of an untrained network; higher is better."""

    def __call__(self, model: nn.Module, batch: Input, *, seed: int = 0) -> float:
        """The score of `model`.

        Args:
            model: The network, with the weights that it starts training from. Weights, buffers,
                gradients and modes are the same afterwards.
            batch: Its input, or several in a tuple. The first one's first dimension is B, the
                examples.
            seed: Of everything that is drawn at random. The caller's generators are not touched.

        Raises:
            ScoreFailed: The network does not run on `batch`, lacks what the score looks at, or its
                score is not a finite number.
        """


def score(function: Callable[[nn.Module, Batch], float]) -> Score:
    """Makes a `Score` of a function that may do with the model what it likes.

    Inside, dropout is off and batch norm uses the batch's statistics, gradients are enabled, torch
    runs on one thread, and ``torch``, ``numpy`` and ``random`` start from `seed`.
    """
    name = function.__name__

    @functools.wraps(function)
    def scored(model: nn.Module, batch: Input, *, seed: int = 0) -> float:
        try:
            inputs = _as_tuple(batch)
            with fixed_randomness(seed, model), pinned_threads(1), _plain_autograd():
                materialised = materialise(model, inputs)
                with _unchanged(materialised):
                    _scoring_mode(materialised)
                    value = to_float(function(materialised, _on_device_of(materialised, inputs)))
            if not math.isfinite(value):
                raise ScoreFailed(f"got {value}, which is no finite number")
        except ScoreFailed as error:
            raise ScoreFailed(f"score {name}: {error}") from None
        except Exception as error:
            raise ScoreFailed(f"score {name}: {type(error).__name__}: {error}") from error
        return value

    return scored


def one_example(batch: Batch) -> Batch:
    """The first example; the whole batch where it has several parts, such as a graph's edges."""
    return batch if len(batch) > 1 else (batch[0][:1],)


def forward(model: nn.Module, batch: Batch) -> Tensor:
    """The network's output; the first one where it returns several.

    Raises:
        ScoreFailed: It returns no tensor.
    """
    output: Any = model(*batch)
    while not isinstance(output, Tensor):
        if isinstance(output, Mapping) and output:
            output = next(iter(output.values()))
        elif isinstance(output, Sequence) and not isinstance(output, str) and output:
            output = output[0]
        else:
            raise ScoreFailed(
                f"the network returned {type(output).__name__}; scores read a tensor, a sequence "
                "or a mapping that begins with one"
            )
    return output


@contextmanager
def fixed_randomness(seed: int, model: nn.Module | None = None) -> Iterator[None]:
    """Runs its block from `seed`; torch's, numpy's and Python's generators are put back after it.

    Args:
        seed: Of all three.
        model: A network on CUDA devices: their generators are included.
    """
    devices: list[int] = []
    if model is not None and torch.cuda.is_initialized():  # type: ignore[no-untyped-call]
        tensors = (*model.parameters(), *model.buffers())
        devices = sorted({t.device.index for t in tensors if t.device.type == "cuda"})
    states = random.getstate(), np.random.get_state()
    with torch.random.fork_rng(devices):
        # `torch.manual_seed` would also reseed devices that are not put back.
        torch.default_generator.manual_seed(seed)
        for index in devices:
            with torch.cuda.device(index):
                torch.cuda.manual_seed(seed)
        random.seed(seed)
        np.random.seed(seed % 2**32)
        try:
            yield
        finally:
            random.setstate(states[0])
            np.random.set_state(states[1])


@contextmanager
def _unchanged(model: nn.Module) -> Iterator[None]:
    """Lends copies of weights and buffers to the block, and puts the originals back after it."""
    parts = list(model.modules())
    modes = [part.training for part in parts]
    parameters = [(p, p.data, p.grad, p.requires_grad) for p in model.parameters()]
    # As dictionaries: the public accessors take longer than a score.
    buffers = [(part._buffers, dict(part._buffers)) for part in parts]
    hooks = [(part._forward_hooks, dict(part._forward_hooks)) for part in parts]
    try:
        for p, data, _, _ in parameters:
            p.data, p.grad = data.clone(), None
        for present, before in buffers:
            present.update({n: b.clone() for n, b in before.items() if b is not None})
        yield
    finally:
        for p, data, grad, trainable in parameters:
            p.grad = None  # of another type of numbers, perhaps
            p.data, p.grad = data, grad
            p.requires_grad_(trainable)
        for part, training in zip(parts, modes, strict=True):
            part.training = training
        for present, before in buffers:
            present.update(before)
        for active, original in hooks:
            active.clear()
            active.update(original)


@contextmanager
def _plain_autograd() -> Iterator[None]:
    """Gradients as outside of any context; encoder layers as the modules that they consist of."""
    fused = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        with torch.inference_mode(False), torch.enable_grad():
            yield
    finally:
        torch.backends.mha.set_fastpath_enabled(fused)


def _scoring_mode(model: nn.Module) -> None:
    model.eval()
    for part in model.modules():
        if isinstance(part, BATCH_NORMS):
            part.train()


def _as_tuple(batch: Input) -> Batch:
    inputs = (batch,) if isinstance(batch, Tensor) else tuple(batch)
    if not inputs or not all(isinstance(x, Tensor) for x in inputs) or not inputs[0].ndim:
        raise ScoreFailed(
            f"batch: got {type(batch).__name__}; give a tensor (B, …), or a tuple of the network's "
            "inputs"
        )
    return inputs


def _on_device_of(model: nn.Module, batch: Batch) -> Batch:
    """A copy of the batch on the device of the weights."""
    first = next(itertools.chain(model.parameters(), model.buffers()), batch[0])
    return tuple(x.detach().to(first.device).clone() for x in batch)

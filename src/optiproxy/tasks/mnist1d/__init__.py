"""The embedded task: a cell of a small 1-D convolutional network, really trained on MNIST-1D.

Nothing is downloaded: the data are generated, once on a machine. Trained and tested is on the
published split, 4,000 and 1,000 examples; the search is guided by 2,000 more of the same recipe,
for the published data have no validation set (see `_mnist1d_data`). One training takes about two
seconds on one thread. The network, the recipe and the measured metrics are in `_mnist1d_network`
and `_mnist1d_training`; the latency is that of one example in eager torch, measured on this machine
in a process of its own.

Reference: Greydanus and Kobak, Scaling Down Deep Learning with MNIST-1D, ICML 2024,
https://arxiv.org/abs/2011.14439.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from optiproxy.metrics import Metric
from optiproxy.spaces import Architecture, Cell
from optiproxy.tasks.origin import Origin
from optiproxy.tasks.task import Task

if TYPE_CHECKING:
    import torch
    from torch import nn

    from optiproxy.hardware import Measurement

# Of a short training, which has a schedule of its own, and of the whole one.
FIDELITIES = (2, 10)

# Seconds for measuring a latency; a quiet machine needs a third of it.
LATENCY_LIMIT_S = 1.0

OPERATIONS = ("none", "skip", "conv_3", "conv_5_dilated", "max_pool_3")


def task() -> Task:
    """MNIST-1D: accuracies in %, parameters and FLOPs counted, latency in ms on this CPU.

    Counts cost nothing. The latency is measured before the training, which is spared where it
    breaks a limit.
    """
    return Task(
        "mnist1d",
        Cell(nodes=4, operations=OPERATIONS),
        evaluate,
        objectives={"val_accuracy": "max"},
        reported=["test_accuracy"],
        metrics=[
            "val_accuracy",
            "test_accuracy",
            Metric("params", params, exact=True),
            Metric("flops", flops, exact=True),
            Metric("latency_ms", latency_ms, cheap=True),
        ],
        fidelities=FIDELITIES,
        noise="repeat",
        build=build,
        train=train,
        example_input=example_input,
        prepare=prepare,
        description=(
            "a 1-D convolutional cell, really trained on MNIST-1D (about 2 s a training): the "
            "published 4,000 examples, 1,000 for test, and 2,000 more for validation"
        ),
        origin=Origin(
            source="mnist1d 0.0.2.post1 (PyPI), generated here",
            licence="Apache-2.0",
            citation="Greydanus and Kobak, MNIST-1D, ICML 2024, https://arxiv.org/abs/2011.14439",
        ),
    )


# torch is imported inside, when a network is needed: tasks are listed without it.


def prepare() -> None:
    """Generates the data set, or reads it where that was done before.

    Raises:
        DataError: The package ``mnist1d`` is missing.
    """
    from optiproxy.tasks.mnist1d.data import load

    load()


def evaluate(arch: Architecture, *, seed: int, epochs: int, folder: Path) -> dict[str, float]:
    """The accuracies of the network of `arch`, a function of the arguments on one machine.

    The trained network is kept in `folder`.

    Raises:
        EvaluationFailed: The training diverged or took longer than the time limit.
    """
    import torch

    from optiproxy.tasks.mnist1d.training import fit

    network, metrics = fit(arch, seed, epochs=epochs)
    torch.save(network.state_dict(), folder / "network.pt")
    return metrics


def train(arch: Architecture, seed: int) -> nn.Module:
    """The network of `arch` as `evaluate` trained it with the same seed and in full.

    Raises:
        EvaluationFailed: As in `evaluate`.
    """
    from optiproxy.tasks.mnist1d.training import fit

    return fit(arch, seed, epochs=FIDELITIES[-1])[0]


def params(arch: Architecture) -> int:
    """How many parameters the network has."""
    return _counted(arch)[0]


def flops(arch: Architecture) -> int:
    """FLOPs of one example; a multiply-add counts as two."""
    return _counted(arch)[1]


def _counted(arch: Architecture) -> tuple[int, int]:
    """Parameters and FLOPs, by what each edge adds: a search asks for thousands."""
    from optiproxy.tasks.mnist1d.network import useful

    empty = _counts("none")
    used = useful([edge for edge, name in arch.items() if name != "none"])
    added = [_counts(str(arch[f"{i}>{j}"])) for i, j in used]
    params, flops = (
        own + sum(counts[which] - own for counts in added) for which, own in enumerate(empty)
    )
    return params, flops


@cache
def _counts(operation: str) -> tuple[int, int]:
    """Parameters and FLOPs of the network whose one edge, from input to output, is `operation`."""
    from optiproxy.hardware import count_flops, count_parameters
    from optiproxy.tasks.mnist1d.network import NODES, Network

    edges = {f"{i}>{j}": "none" for j in range(NODES) for i in range(j)}
    network = Network({**edges, f"0>{NODES - 1}": operation})
    return count_parameters(network), count_flops(network, example_input())


def latency_ms(arch: Architecture) -> Measurement:
    """Of one example, in eager torch on one thread of this machine.

    Raises:
        MeasurementFailed: The network could not be measured.
    """
    from optiproxy.hardware import measure
    from optiproxy.tasks.mnist1d.data import INPUT_SHAPE

    return measure(build(arch), INPUT_SHAPE, runtime="torch", time_limit_s=LATENCY_LIMIT_S)


def example_input() -> torch.Tensor:
    """One signal, (1, 1, 40)."""
    import torch

    from optiproxy.tasks.mnist1d.data import INPUT_SHAPE

    return torch.zeros(INPUT_SHAPE)


def build(arch: Architecture) -> nn.Module:
    """The untrained network of `arch`: (B, 1, 40) → (B, 10) logits, float32."""
    from optiproxy.tasks.mnist1d.network import Network

    return Network(arch)

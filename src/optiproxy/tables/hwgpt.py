"""HW-GPT-Bench, GPT-S: sub-networks of a language model's supernet, with the latency of 14 devices.

A sub-network is a width, a number of layers (10 to 12), biases or none, and for each layer its
heads and the ratio of its multi-layer perceptron. The table is a sample of 10,000, so the tasks are
pools. The objective is the perplexity on OpenWebText's validation part, with the weights of the
supernet, to be minimised. It hardly depends on anything but the width, so it is to be searched
under a limit of latency or parameters. Accuracy is that of the next token, in %; latency is the
median of the measurements, in ms.

Reference: Sukthanker et al., HW-GPT-Bench, NeurIPS 2024, https://arxiv.org/abs/2405.10299.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from optiproxy.errors import unknown
from optiproxy.spaces import Conditional, Option, Space
from optiproxy.spaces.architecture import Indices
from optiproxy.tables.averaged_rows import AveragedRows, from_choices
from optiproxy.tables.benchmark import sample
from optiproxy.tables.table import Table

TABLE = "hwgpt_s"
NETWORKS = 10_000
LAYERS = (10, 11, 12)

#: Device, as the columns of the table spell it → its title.
DEVICES = {
    "a100": "NVIDIA A100",
    "h100": "NVIDIA H100",
    "rtx2080": "NVIDIA RTX 2080 Ti",
    "rtx3080": "NVIDIA RTX 3080 Ti",
    "a6000": "NVIDIA RTX A6000",
    "a40": "NVIDIA A40",
    "v100": "NVIDIA V100",
    "P100": "NVIDIA P100",
    "cpu_mlgpu": "the CPU mlgpu",
    "cpu_meta": "the CPU meta",
    "helix_cpu": "the CPU helix",
    "cpu_alldlc": "the CPU alldlc",
    "cpu_a6000": "the CPU of the A6000's machine",
    "cpu_p100": "the CPU of the P100's machine",
}

_CITATION = "Sukthanker et al., HW-GPT-Bench, NeurIPS 2024, https://arxiv.org/abs/2405.10299"


def space() -> Conditional:
    """The 27 choices; those of the last two layers exist where the network has these layers.

    >>> dict(space().choices)["head_11"], f"{space().count:.3g}"
    ((None, 4, 8, 12), '1.9e+12')
    """
    choices: dict[str, tuple[Option, ...]] = {
        "embed_dim": (192, 384, 768), "n_layer": LAYERS, "bias": (False, True),
    }  # fmt: skip
    when: dict[str, dict[str, list[int]]] = {}
    for layer in range(max(LAYERS)):
        choices |= {f"head_{layer}": (4, 8, 12), f"mlp_{layer}": (2, 3, 4)}
        if layer >= min(LAYERS):
            deep = {"n_layer": [n for n in LAYERS if n > layer]}
            when |= {f"head_{layer}": deep, f"mlp_{layer}": deep}
    return Conditional(choices, when)


def task(device: str) -> Table:
    """GPT-S with the latency of one of `DEVICES`.

    Raises:
        InvalidValueError: There is no such device.
    """
    if device not in DEVICES:
        raise unknown("device", device, DEVICES)
    networks = space()
    rows = AveragedRows(
        networks,
        TABLE,
        key=networks.names,
        read=_active,
        columns={
            "perplexity": "perplexity",
            "accuracy": "accuracy",
            "latency_ms": f"latency_{device}_ms",
            "params": "params",
            "flops": "flops",
        },
        scale={"accuracy": 100.0},
        count=NETWORKS,
    )
    return sample(
        rows,
        name=f"hwgpt-s-{device.replace('_', '-').lower()}",
        objectives={"perplexity": "min"},
        description=(
            "HW-GPT-Bench, sub-networks of GPT-S on OpenWebText: perplexity with the supernet's "
            f"weights; next-token accuracy in %, median latency in ms on {DEVICES[device]}, "
            "parameters, FLOPs"
        ),
        citation=_CITATION,
        family="hwgpt-s",
    )


def _active(keys: Mapping[str, list[Any]], networks: Space) -> Indices:
    """The table's columns as option numbers, inactive where a network has no such layer."""
    layers = [
        int(name.rpartition("_")[2]) if options[0] is None else -1
        for name, options in networks.choices.items()
    ]
    there = np.array(keys["n_layer"])[:, None] > layers
    return np.where(there, from_choices(keys, networks), 0)

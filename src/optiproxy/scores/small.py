"""Small networks of the published spaces, which are scored in milliseconds.

A cell's score hardly depends on how often the cell is repeated, nor on its width: docs/scores.md
compares small networks with those of NAS-Bench-201's size.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from optiproxy.errors import invalid
from optiproxy.scores.inputs import EXAMPLES, noise
from optiproxy.spaces import Architecture, Cell, Darts, GnnDag, Graph, Macro, Pool, Recurrent, Space

# Pixels: enough for two reductions and a convolution of five by five.
SIDE = 16
VERTICES = 64
WIDTH = 32


@dataclass(frozen=True)
class SmallNetwork:
    """What `NetworkScores` needs for a space that has networks of its own.

    Attributes:
        build: The small network of an architecture.
        example_input: Its input, the same for all architectures.
    """

    build: Callable[[Architecture], nn.Module]
    example_input: Tensor | tuple[Tensor, ...]


def small_network(space: Space) -> SmallNetwork:
    """One cell a stage and few channels, with noise as input.

    Raises:
        InvalidValueError: It is none of our spaces that define networks.
    """
    if isinstance(space, Pool):
        return small_network(space.space)
    for kind, (options, example) in _SMALL.items():
        if isinstance(space, kind):
            return SmallNetwork(partial(space.build, **options), example())
    known = ", ".join(kind.__name__ for kind in _SMALL)
    remedy = f"small networks are known of {known}; pass build and example_input"
    raise invalid("small_network: space", type(space).__name__, remedy)


def _images() -> Tensor:
    return noise(EXAMPLES, 3, SIDE, SIDE)


def _graph() -> tuple[Tensor, Tensor]:
    """A ring of vertices with features of noise, both directions of each edge."""
    source = torch.arange(VERTICES)
    edges = torch.stack([source, (source + 1) % VERTICES])
    return noise(VERTICES, WIDTH), torch.cat([edges, edges.flip(0)], 1)


# Kind → arguments of its `build`, and what makes the input.
_SMALL: Mapping[type[Space], tuple[Mapping[str, Any], Callable[[], Any]]] = {
    Cell: ({"channels": 8, "cells": 1}, _images),
    Darts: ({"channels": 8, "cells": 3}, _images),
    Graph: ({"channels": 16, "modules": 1}, _images),
    Macro: ({}, _images),
    GnnDag: ({"features": WIDTH, "width": WIDTH}, _graph),
    Recurrent: ({"inputs": WIDTH, "width": WIDTH}, lambda: noise(EXAMPLES, WIDTH)),
}

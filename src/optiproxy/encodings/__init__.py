"""Architectures as tensors, discrete and relaxed. An encoding is one file here.

>>> from optiproxy import encodings, spaces
>>> space = spaces.Cell(nodes=4, operations=spaces.NB201_OPERATIONS)
>>> a, x = encodings.make("adjacency", space).encode(space.sample(3))
>>> tuple(a.shape), tuple(x.shape)
((3, 8, 8), (3, 8, 7))
"""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from optiproxy.encodings.base import Encoded, Encoder, corners
from optiproxy.registry import Registry

if TYPE_CHECKING:
    from optiproxy.spaces import Space

ENCODINGS = Registry(
    "encoding",
    {
        "onehot": "optiproxy.encodings.onehot:OneHot",
        "adjacency": "optiproxy.encodings.adjacency:Adjacency",
        "path": "optiproxy.encodings.path:Path",
        "living": "optiproxy.encodings.active_path:Living",
    },
    group="optiproxy.encodings",
)


def make(name: str, space: Space) -> Encoder:
    """The encoder of that name for `space`; an unknown name is told with the nearest."""
    return cast(Encoder, ENCODINGS.get(name)(space))


__all__ = ["ENCODINGS", "Encoded", "Encoder", "corners", "make"]

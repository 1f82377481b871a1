"""Architectures as tensors, discrete and relaxed; each encoding is one file here.

>>> from optiproxy import encodings, spaces
>>> space = spaces.Cell(nodes=4, operations=spaces.NB201_OPERATIONS)
>>> a, x = encodings.make("adjacency", space).encode(space.sample(3))
>>> tuple(a.shape), tuple(x.shape)
((3, 8, 8), (3, 8, 7))
"""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from optiproxy._lazy import lazy
from optiproxy.registry import Registry

if TYPE_CHECKING:
    from optiproxy.encodings.base import Encoded, Encoder, corners, is_corner, nearest
    from optiproxy.spaces import Space

ENCODINGS = Registry(
    "encoding",
    {
        "onehot": "optiproxy.encodings.onehot:OneHot",
        "adjacency": "optiproxy.encodings.adjacency:Adjacency",
        "path": "optiproxy.encodings.path:Path",
        "active_path": "optiproxy.encodings.active_path:ActivePath",
    },
    group="optiproxy.encodings",
)


#: Earlier name → today's; earlier names still work.
RENAMED = {"living": "active_path"}


def make(name: str, space: Space) -> Encoder:
    """The encoder with that name for `space`.

    Raises:
        InvalidValueError: There is no such encoding; the message names the most similar one.
    """
    return cast("Encoder", ENCODINGS.get(RENAMED.get(name, name))(space))


__all__ = ["ENCODINGS", "Encoded", "Encoder", "corners", "is_corner", "make", "nearest"]

__getattr__, __dir__ = lazy(
    __name__,
    {"optiproxy.encodings.base": ("Encoded", "Encoder", "corners", "is_corner", "nearest")},
)

"""What is computed once in each process, and not sent to another."""

from __future__ import annotations

from functools import cached_property
from typing import Any


class ComputedOnce:
    """Is pickled without its cached properties: another process computes them anew."""

    def __getstate__(self) -> dict[str, Any]:
        kind = type(self)
        cached = {n for n in dir(kind) if isinstance(getattr(kind, n, None), cached_property)}
        return {name: value for name, value in vars(self).items() if name not in cached}

"""What is looked over before a search's first query: a space and a `build` of the user's own."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from optiproxy.errors import InvalidValueError, OptiProxyError
from optiproxy.spaces import Architecture, Space, check

if TYPE_CHECKING:
    from optiproxy.tasks.task import Task

# Networks that are built for a look, and the architectures they are chosen from.
NETWORKS, SAMPLE = 8, 64
# Different mistakes that are told.
_TOLD = 5


def validate(task: Task) -> None:
    """Raises InvalidValueError with all mistakes of the user's own definition.

    A space of a class of ours, and a table, have been looked over when they were made.
    """
    problems = [] if type(task.space).__module__.startswith("optiproxy.") else _of(task.space)
    # On what is wrong no network can be built.
    if not problems and task.own_build is not None and not task.in_memory:
        problems = list(dict.fromkeys(_of_build(task)))[:_TOLD]
    if problems:
        raise InvalidValueError(f"task {task.name!r}: {'; '.join(problems)}")


def _of(space: Space) -> list[str]:
    try:
        check(space)
    except InvalidValueError as error:
        return [str(error)]
    return []


def _of_build(task: Task) -> Iterator[str]:
    """Options that `build` does not know: it looks them up in vain, or says so in our words.

    Other exceptions may be due to one architecture alone, and are recorded when it is evaluated.
    """
    import torch

    assert task.own_build is not None
    with torch.random.fork_rng(devices=[]):
        for arch in _with_every_option(task.space):
            try:
                task.own_build(arch)
            except (LookupError, OptiProxyError) as error:
                yield f"build: {type(error).__name__}: {error}, for {task.space.to_text(arch)}"
            except Exception:
                continue


def _with_every_option(space: Space) -> list[Architecture]:
    """A few architectures that have, between them, all options of a sample."""
    rows = space.random_indices(SAMPLE, np.random.default_rng(0))
    missing = np.zeros((len(space), int(space.sizes.max())), dtype=bool)
    columns = np.arange(len(space))
    missing[columns, rows] = True
    chosen: list[int] = []
    while missing.any() and len(chosen) < NETWORKS:
        chosen.append(int(missing[columns, rows].sum(1).argmax()))
        missing[columns, rows[chosen[-1]]] = False
    return space.from_indices(rows[chosen])

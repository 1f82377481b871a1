"""Checks before a search's first query: mistakes in a space and a `build` of the user's own."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterator

import numpy as np

from optiproxy.errors import InvalidValueError, OptiProxyError
from optiproxy.spaces import Architecture, Space, check

# Networks that are built for the check, and the architectures they are chosen from.
NETWORKS, SAMPLE = 8, 64
# Different mistakes that are reported.
_REPORTED = 5


def validate(name: str, space: Space, build: Callable[[Architecture], object] | None) -> None:
    """Raises InvalidValueError with all mistakes in what the user has defined.

    Args:
        name: The task's.
        space: Checked, unless its class is one of the library's, which check their arguments.
        build: Called with a few architectures; None where the user has none.
    """
    problems: list[str] = []
    if not type(space).__module__.startswith("optiproxy."):
        try:
            check(space)
        except InvalidValueError as error:
            problems = [str(error)]
    # An invalid space has no architectures to build.
    if not problems and build is not None:
        problems = list(dict.fromkeys(_of_build(space, build)))[:_REPORTED]
    if problems:
        raise InvalidValueError(f"task {name!r}: {'; '.join(problems)}")


def _of_build(space: Space, build: Callable[[Architecture], object]) -> Iterator[str]:
    """Options that `build` does not know: a failed look-up, or one of the library's own errors; and
    one network for several architectures, which each training would change.

    Other exceptions may be due to one architecture alone, and are recorded when it is evaluated.
    """
    import torch

    before: Callable[[], object] = lambda: None  # noqa: E731
    with torch.random.fork_rng(devices=[]):
        for arch in _with_every_option(space):
            try:
                built = build(arch)
                if built is not None and built is before():
                    yield "build: returned one network for two architectures; make a new one"
                    return
                before = weakref.ref(built)
                del built
            except InvalidValueError as error:
                said = str(error)
                if said.startswith("build: returned"):  # The same for each architecture.
                    yield said
                    return
                yield f"build: {type(error).__name__}: {error}, for {space.to_text(arch)}"
            except (LookupError, OptiProxyError) as error:
                yield f"build: {type(error).__name__}: {error}, for {space.to_text(arch)}"
            except Exception:
                continue


def _with_every_option(space: Space) -> list[Architecture]:
    """A few architectures that have, between them, all options of a sample."""
    rows = space.random_indices(SAMPLE, np.random.default_rng(0))
    missing = np.zeros((len(space), int(space.widths.max())), dtype=bool)
    choices, options = np.arange(len(space)), space.columns(rows)
    missing[choices, options] = True
    chosen: list[int] = []
    while missing.any() and len(chosen) < NETWORKS:
        chosen.append(int(missing[choices, options].sum(1).argmax()))
        missing[choices, options[chosen[-1]]] = False
    return space.from_indices(rows[chosen])

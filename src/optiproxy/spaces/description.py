"""What networks of different spaces can be compared by: their operations, depth, width, paths."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Sequence

from optiproxy.spaces.architecture import Architecture
from optiproxy.spaces.base import Space
from optiproxy.spaces.drawing import Drawing

# The parts of an operation's name: ``nor_conv_3x3`` and ``conv3x3-bn-relu`` share conv and 3x3.
_WORD = re.compile(r"conv|pool|skip|\d+x\d+|[a-z]+?(?=conv|pool|skip|[^a-z]|$)")
_SYNONYMS = {"identity": "skip"}


def description(space: Space, arch: Architecture) -> dict[str, float]:
    """Numbers of a network that have the same name and meaning in every space.

    Of what is active (`Space.drawings`): how many operations have each word in their names, the
    longest and the shortest path in operations, summed over cells, and operations per step of the
    longest path. Of choices that differ only by the numbers in their names: the mean of options
    that are numbers.

    >>> from optiproxy.spaces import Cell
    >>> space = Cell(nodes=3, operations=["none", "conv_3x3"])  # edges 0>1, 0>2, 1>2
    >>> arch = space.architecture({"0>1": "conv_3x3", "0>2": "conv_3x3", "1>2": "conv_3x3"})
    >>> description(space, arch)
    {'conv': 3, '3x3': 3, 'longest path': 2, 'shortest path': 1, 'width': 1.5}
    """
    found: Counter[str] = Counter()
    longest = shortest = operations = 0
    for drawing in space.drawings(arch):
        active = [vertex for vertex in drawing.vertices if vertex.kind == "operation"]
        for vertex in active:
            found.update(_words(vertex.lines))
        operations += len(active)
        most, least = _path_lengths(drawing)
        longest, shortest = longest + most, shortest + least
    numbers: dict[str, list[float]] = defaultdict(list)
    for name, option in arch.items():
        if isinstance(option, int | float):
            numbers[re.sub(r"_?\d+", "", name)].append(float(option))
    return {
        **found,
        "longest path": longest,
        "shortest path": shortest,
        "width": operations / max(1, longest),
        **{f"mean of {name}": sum(values) / len(values) for name, values in numbers.items()},
    }


def _words(lines: Sequence[str]) -> list[str]:
    """The words of a vertex, each once."""
    found = (word for line in lines for word in _WORD.findall(line.lower()))
    return list(dict.fromkeys(_SYNONYMS.get(word, word) for word in found))


def _path_lengths(drawing: Drawing) -> tuple[int, int]:
    """The operations on the longest and on the shortest path from an input to an output."""
    after: dict[int, list[int]] = defaultdict(list)
    waiting_for = Counter(target for _, target in drawing.edges)
    for source, target in drawing.edges:
        after[source].append(target)
    kinds = [vertex.kind for vertex in drawing.vertices]
    lengths = {v: (0, 0) for v, kind in enumerate(kinds) if not waiting_for[v]}
    ready = list(lengths)
    for v in ready:  # grows, in topological order
        most, least = (length + (kinds[v] == "operation") for length in lengths[v])
        for target in after[v]:
            known = lengths.get(target, (most, least))
            lengths[target] = max(known[0], most), min(known[1], least)
            waiting_for[target] -= 1
            if not waiting_for[target]:
                ready.append(target)
    ends = [lengths[v] for v, kind in enumerate(kinds) if kind == "output" and v in lengths]
    return max((most for most, _ in ends), default=0), min((least for _, least in ends), default=0)

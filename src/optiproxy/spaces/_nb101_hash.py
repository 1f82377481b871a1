"""The graph hash by which NAS-Bench-101 identifies its cells.

Reference: Ying et al., NAS-Bench-101, ICML 2019, https://arxiv.org/abs/1902.09635, appendix S2: the
iterative hash, equal for isomorphic graphs, which is the key in its published files.
"""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import md5


def nb101_hash(edges: Sequence[tuple[int, int]], labels: Sequence[int]) -> str:
    """The hash of a pruned cell, 32 hexadecimal digits.

    Every vertex starts with the hash of (edges out, edges in, label), which is then combined with
    those of its neighbours, as many times as there are vertices.

    Args:
        edges: Pairs (i, j) of vertex numbers, the edge i → j.
        labels: For each vertex: -1 for the input, -2 for the output, else the operation's number.
    """
    n = len(labels)
    above: list[list[int]] = [[] for _ in range(n)]
    below: list[list[int]] = [[] for _ in range(n)]
    for i, j in edges:
        below[i].append(j)
        above[j].append(i)
    marks = [_md5(f"({len(below[v])}, {len(above[v])}, {labels[v]})") for v in range(n)]
    for _ in range(n):
        joined = [["".join(sorted(marks[w] for w in side[v])) for side in (above, below)]
                  for v in range(n)]  # fmt: skip
        marks = [_md5(f"{a}|{b}|{marks[v]}") for v, (a, b) in enumerate(joined)]
    return _md5(str(sorted(marks)))


def _md5(text: str) -> str:
    return md5(text.encode(), usedforsecurity=False).hexdigest()

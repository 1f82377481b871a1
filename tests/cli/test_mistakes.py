"""A space that is defined wrongly, as the command line tells it: all at once, before any query."""

from __future__ import annotations

import pytest

TASK = """
import optiproxy as op

S = op.spaces
{space}
task = op.Task("t", space, lambda arch: 1.0, objectives={{"score": "max"}})
"""


@pytest.mark.parametrize(
    ("space", "told"),
    [
        (
            "S.Chain({'a': [], 'b': [1, 1], 'c': 'abc'})",
            [
                "choice 'a': has no options",
                "choice 'b': an option is listed twice",
                "'c': got 'abc'",
            ],
        ),
        ("S.Chain([('a', [1, 2]), ('a', [3])])", ["give a mapping with at least one choice"]),
        (
            "S.Conditional({'a': [1, 2], 'b': [3], 'c': []}, when={'a': {'b': [3]}, "
            "'b': {'a': [9]}, 'z': {'a': [1]}})",
            ["'c': has no options", "has no option 9", "choice 'z'", "a circle, a ← b ← a"],
        ),
        ("S.Cell(1, ['a', 'a', 'b|'])", ["nodes: got 1", "'a' is listed twice", "got ['b|']"]),
        ("S.Cell(4, [])", ["Cell: operations: got []; give a list of names"]),
        (
            "S.Graph(1, ['a', 'a', 'b c'], max_edges=0)",
            ["vertices: got 1", "'a' is listed twice", "got ['b c']", "max_edges: got 0"],
        ),
        ("S.Graph(4, [])", ["Graph: operations: got []"]),
        ("S.Darts(['a', 'a', 'b c'])", ["'a' is listed twice", "got ['b c']"]),
        ("S.Darts([])", ["Darts: operations: got []"]),
        ("S.GnnDag(['a', 'a', 'b|'])", ["'a' is listed twice", "got ['b|']"]),
        ("S.GnnDag([])", ["GnnDag: operations: got []"]),
        ("S.GnnDag(['skip'])", ["got ['skip']; give at least one other"]),
        ("S.Recurrent(nodes=0, hidden=0)", ["nodes: got 0", "hidden: got 0"]),
        (
            "S.Pool(S.Chain({'a': [1, 2]}), [{'a': 3}, {'b': 1}])",
            ["entry 0: ", "got 3", "entry 1: ", "got 'b'"],
        ),
        ("S.Pool(S.Chain({'a': [1, 2]}), [])", ["list at least one architecture"]),
    ],
)
def test_mistakes_are_told_together(space, told, folder, refused):
    (folder / "mine.py").write_text(TASK.format(space=f"space = {space}"))
    said = refused("search", "mine.py:task", "--storage", "s.journal")
    for part in told:
        assert part in said
    assert len(said) < 700
    assert not (folder / "s.journal").exists()


def test_a_class_and_a_build_of_ones_own_are_looked_over_too(folder, refused):
    own = """
class Own(S.Chain):
    def canonical(self, indices):
        return indices[:, ::-1]

space = Own({"a": [1, 2], "b": [1, 2, 3]})
"""
    (folder / "mine.py").write_text(TASK.format(space=own))
    assert "canonical: " in refused("search", "mine.py:task", "--storage", "s.journal")
    cell = "space = S.Cell(3, ['none', 'conv9'])\nbuild = lambda arch: {'none': 1}[arch['0>1']]"
    text = TASK.format(space=cell).replace('"max"}', '"max"}, build=build')
    (folder / "mine.py").write_text(text)
    said = refused("search", "mine.py:task", "--storage", "s.journal")
    assert "task 't': build: KeyError: 'conv9', for |conv9~0|" in said
    assert not (folder / "s.journal").exists()

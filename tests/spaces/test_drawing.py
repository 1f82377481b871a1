"""Architectures as graphs to be drawn: all that is active is there, and nothing else."""

from __future__ import annotations

import pytest

from optiproxy.spaces import (
    DARTS_OPERATIONS,
    NB101_OPERATIONS,
    Cell,
    Chain,
    Conditional,
    Darts,
    GnnDag,
    Graph,
    Pool,
    Recurrent,
    Space,
)
from optiproxy.spaces.drawing import Drawing

CELL = Cell(4, ["none", "skip", "conv"])


def operations(drawing: Drawing) -> list[tuple[str, ...]]:
    return [vertex.lines for vertex in drawing.vertices if vertex.kind == "operation"]


def ends(drawing: Drawing) -> set[tuple[str, str]]:
    """The edges by the texts at their ends."""
    text = [" ".join(v.lines) or v.kind for v in drawing.vertices]
    return {(text[source], text[target]) for source, target in drawing.edges}


def test_a_cell_is_drawn_without_what_outputs_zero() -> None:
    arch = CELL.architecture("|conv~0|+|none~0|skip~1|+|none~0|none~1|conv~2|")
    (drawing,) = CELL.drawings(arch)
    assert sorted(operations(drawing)) == [("conv",), ("conv",), ("skip",)]
    # No node has two inputs here, so that there is no sum.
    assert len(drawing.vertices) == 5
    assert ends(drawing) == {
        ("input", "conv"), ("conv", "skip"), ("skip", "conv"), ("conv", "output"),
    }  # fmt: skip
    assert Pool(CELL, [arch]).drawings(arch) == (drawing,)


def test_an_operation_that_leads_nowhere_is_left_out() -> None:
    arch = CELL.architecture("|conv~0|+|none~0|conv~1|+|skip~0|none~1|none~2|")
    (drawing,) = CELL.drawings(arch)
    assert operations(drawing) == [("skip",)]
    nothing = CELL.architecture("|conv~0|+|none~0|conv~1|+|none~0|none~1|none~2|")
    (drawing,) = CELL.drawings(nothing)
    assert ([v.kind for v in drawing.vertices], drawing.edges) == (["input", "output"], ())


def test_an_inactive_choice_is_passed_by() -> None:
    space = Conditional(
        {"op": ["conv", "skip"], "kernel": [3, 5], "depth": [1, 2]},
        when={"kernel": {"op": ["conv"]}},
    )
    (drawing,) = space.drawings(space.architecture({"op": "skip", "depth": 2}))
    assert ends(drawing) == {("input", "op skip"), ("op skip", "depth 2"), ("depth 2", "output")}


def test_the_choices_of_a_stage_share_a_vertex() -> None:
    space = Chain(
        {"stem": [8], "s1_width": [16], "s1_kernel": [3], "s2.width": [32], "max_pool": [1]}
    )
    (drawing,) = space.drawings(space.sample(1)[0])
    assert operations(drawing) == [
        ("stem", "8"), ("s1_width", "16", "s1_kernel", "3"), ("s2.width", "32"), ("max_pool", "1"),
    ]  # fmt: skip


def test_a_graph_has_its_own_edges() -> None:
    space = Graph(5, NB101_OPERATIONS)
    names = ["input", "conv3x3-bn-relu", "maxpool3x3", "output"]
    arch = space.cell([[0, 1, 1, 0], [0, 0, 0, 1], [0, 0, 0, 1], [0, 0, 0, 0]], names)
    (drawing,) = space.drawings(arch)
    assert sorted(text[1] for text in operations(drawing)) == sorted(names[1:3])
    assert len(drawing.edges) == 4


def test_darts_has_two_cells() -> None:
    drawings = Darts().drawings(Darts().sample(1)[0])
    assert [drawing.title for drawing in drawings] == ["normal", "reduce"]
    for drawing in drawings:
        found = operations(drawing)
        assert len(found) == 8
        assert {text for (text,) in found} <= set(DARTS_OPERATIONS)


@pytest.mark.parametrize(
    "space", [CELL, Graph(6, NB101_OPERATIONS), Darts(), GnnDag(), Recurrent()]
)
def test_every_drawing_is_a_graph_from_inputs_to_outputs(space: Space) -> None:
    for arch in space.sample(20, seed=1):
        for drawing in space.drawings(arch):
            sources, targets = {u for u, _ in drawing.edges}, {v for _, v in drawing.edges}
            for number, vertex in enumerate(drawing.vertices):
                if drawing.edges:
                    assert (number in sources) == (vertex.kind != "output")
                    assert (number in targets) == (vertex.kind != "input")
            assert drawing.plain()["edges"] == [list(edge) for edge in drawing.edges]

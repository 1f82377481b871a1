"""The published benchmarks' spaces and texts; their figures are in `tests/golden`."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pytest
import torch

from optiproxy import encodings, tasks
from optiproxy.errors import InvalidValueError
from optiproxy.methods import METHODS
from optiproxy.spaces import Macro, Space
from optiproxy.tables.spikenas import OPERATIONS, SpikeCell

NAMES = ["nasbench-graph-cora", "nasbench-macro", "spikenas-cifar10"]


@pytest.fixture(params=NAMES)
def space(request: pytest.FixtureRequest) -> Space:
    """Of a task; its table is not needed."""
    return tasks.get(request.param).space


def test_macro_text_is_a_digit_for_each_layer() -> None:
    space = Macro()
    arch = space.architecture("22212220")
    assert list(arch.values()) == [
        "mb6_k5", "mb6_k5", "mb6_k5", "mb3_k3", "mb6_k5", "mb6_k5", "mb6_k5", "identity",
    ]  # fmt: skip
    assert space.to_text(arch) == "22212220"
    assert space.architecture(arch.to_json()) == arch
    for text in ("2221222", "222122200", "22212223", "2221222a", ""):
        with pytest.raises(InvalidValueError, match="write 8 digits, each 0, 1 or 2"):
            space.architecture(text)


def test_spiking_cell_is_read_edge_by_edge_in_any_order() -> None:
    space = SpikeCell()
    text = "lif_low_conv3x3~0>1|lif_mid_conv3x3~0>2|lif_high_conv3x3~0>3|none~1>2|none~1>3|skip~2>3"
    arch = space.architecture(text)
    assert arch["0>3"] == "lif_high_conv3x3"
    assert arch["1>2"] == "none"
    assert space.to_text(arch) == text
    assert space.architecture("|".join(reversed(text.split("|")))) == arch
    assert space.architecture(arch.to_json()) == arch
    nb201 = "|none~0|+|skip~0|none~1|+|none~0|none~1|none~2|"
    assert space.architecture(nb201)["0>2"] == "skip"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("none~0>1|none~0>1", "'none~0>1' is no edge, or one twice"),
        ("none~1>0", "'none~1>0' is no edge"),
        ("none~0>1", "choice '0>2' is missing"),
        ("none~0>1|0>2", "'0>2' is no edge"),
        (
            "lif~0>1|none~0>2|none~0>3|none~1>2|none~1>3|none~2>3",
            f"got 'lif'; .*{OPERATIONS[0]}",
        ),
    ],
)
def test_a_broken_spiking_cell_is_told(text: str, message: str) -> None:
    with pytest.raises(InvalidValueError, match=message):
        SpikeCell().architecture(text)


def test_neighbours_are_valid_and_symmetric(space: Space) -> None:
    for arch in space.sample(5, seed=4):
        near = space.neighbours(arch)
        assert space.valid(space.to_indices(near)).all()
        assert len(set(near)) == len(near) > 0
        assert all(arch in space.neighbours(other) for other in near)


@pytest.mark.parametrize("name", encodings.ENCODINGS.names())
def test_a_corner_is_the_discrete_encoding(space: Space, name: str) -> None:
    rows = torch.from_numpy(space.random_indices(20, np.random.default_rng(0)))
    encoder = encodings.make(name, space)
    relaxed = encoder.relaxed(encodings.corners(space, rows))
    for left, right in zip(encoder.discrete(rows), relaxed, strict=True):
        assert torch.equal(left, right)


def test_texts_are_read_back(space: Space) -> None:
    for arch in space.sample(30, seed=1):
        assert space.architecture(space.to_text(arch)) == arch


@pytest.mark.parametrize("method", ["optiproxy", "evolution"])
def test_a_search_proposes_valid_and_unlike_architectures(space: Space, method: str) -> None:
    def score(arch: Mapping[str, object]) -> float:
        """A number that every choice moves, the same in every process."""
        return sum((c + 1) * space.choices[n].index(arch[n]) for c, n in enumerate(arch))  # type: ignore[arg-type]

    opt = METHODS.get(method)(space, {"score": "max"}, seed=0)
    while len(opt.queries) < 30:
        archs = opt.ask(5)
        opt.tell(archs, [score(arch) for arch in archs])
    archs = [query.architecture for query in opt.queries]
    assert len(set(archs)) == 30
    assert space.valid(space.to_indices(archs)).all()


@pytest.mark.parametrize("data_set", ["cora", "pubmed", "cs", "physics", "computers"])
def test_graph_tasks_tell_their_metrics(data_set: str) -> None:
    task = tasks.get(f"nasbench-graph-{data_set}")
    assert task.space.count == 26206
    assert task.metrics == ("val_accuracy", "test_accuracy", "latency_ms", "params_m")
    assert task.reported == ("test_accuracy",)
    limited = task.replaced(constraints={"latency_ms": "<= 3", "params_m": "<= 1"})
    assert limited.needed == ("val_accuracy", "latency_ms", "params_m")


def test_macro_says_that_the_test_accuracy_guides() -> None:
    task = tasks.get("nasbench-macro")
    assert [o.metric for o in task.objectives] == ["test_accuracy"]
    assert task.reported == ()
    assert "no validation split" in task.description


def test_spikenas_says_which_epoch() -> None:
    task = tasks.get("spikenas-cifar10")
    assert task.reported == ("test_accuracy",)
    assert "after the last epoch" in task.description


@pytest.mark.parametrize(
    ("name", "classes"),
    [
        ("nb201-cifar10", 10),
        ("nb201-runs-imagenet16-120", 120),
        ("nats-tss-cifar100", 100),
        ("hw-nb201-imagenet16-120-raspi4", 120),
        ("hwnas-cifar100-fpga", 100),
        ("nasbench-graph-cs", 15),
        ("nasbench-graph-pubmed", 3),
    ],
)
def test_a_task_builds_the_networks_of_its_data_set(name: str, classes: int) -> None:
    task = tasks.get(name)
    with torch.device("meta"):
        network = task.build(task.space.sample(1)[0])
    assert [*network.modules()][-1].out_features == classes


@pytest.mark.slow
def test_networks_of_graphs_can_be_exported() -> None:
    task = tasks.get("nasbench-graph-pubmed")
    assert task.example_input is not None
    x, edges = task.example_input()
    network = task.build(task.space.architecture("0-1-1-2|gat|cheb|fc|gin")).eval()
    program = torch.export.export(network, (x, edges)).module()
    assert torch.equal(program(x, edges), network(x, edges))

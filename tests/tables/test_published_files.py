"""Tasks on the benchmarks' own files: from a file in the published layout to an answer."""

from __future__ import annotations

import dataclasses
import itertools
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from optiproxy import tasks
from optiproxy.errors import DataError, InvalidValueError
from optiproxy.spaces import DARTS_OPERATIONS, Darts
from optiproxy.tables import originals, store
from optiproxy.tables.nasbench301 import FEATURES, Trees, features
from optiproxy.tables.originals.base import sheets
from optiproxy.tables.transnas import MacroChain, MicroCell


def write(table: str, columns: dict[str, str], rows: list[dict[str, Any]]) -> None:
    """A converted table in the user's data folder; columns that a row lacks are empty."""
    with sheets(store._added_folder(), {}) as made:
        sheet = made.new(table, columns)
        for row in rows:
            sheet.add(*(row.get(column) for column in columns))


@pytest.fixture(autouse=True)
def _no_row_counts(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Tables of a few rows are whole here."""
    for name, table in list(store._BY_NAME.items()):
        if table.original:
            monkeypatch.setitem(store._BY_NAME, name, dataclasses.replace(table, rows=0))


def test_nb101_finds_a_graph_in_every_numbering() -> None:
    from optiproxy.tables.originals.nasbench101 import COLUMNS

    task = tasks.get("nb101-cifar10")
    conv, pool = "conv3x3-bn-relu", "maxpool3x3"
    space: Any = task.space
    one = space.cell(
        [[0, 1, 1, 0], [0, 0, 0, 1], [0, 0, 0, 1], [0, 0, 0, 0]], ["input", conv, pool, "output"]
    )
    other = space.architecture(
        # The same graph with its operations exchanged, and a vertex that leads nowhere.
        "111000000010001000000|maxpool3x3|conv3x3-bn-relu|maxpool3x3|maxpool3x3|maxpool3x3"
    )
    digest = space.hash(one)
    assert space.hash(other) == digest
    row = {"hash": digest, "epochs": 108, "params": 7, "train_seconds": 5.0,
           "hash_high": int(digest[:16], 16), "hash_low": int(digest[16:], 16),
           "val_accuracy": 94.5, "test_accuracy": 94.0}  # fmt: skip
    short = {**row, "epochs": 4, "val_accuracy": 30.0}
    near = {**row, "hash_low": 1, "val_accuracy": 10.0}  # The first half of its hash is the same.
    write("nasbench101", COLUMNS, [short, near, row])
    for arch in (one, other):
        assert task.query(arch).metrics == {
            "val_accuracy": 94.5, "test_accuracy": 94.0, "params": 7, "train_seconds": 5.0,
        }  # fmt: skip
    assert task.optimum == 94.5
    alone = space.cell([[0, 1], [0, 0]], ["input", "output"])
    assert "no graph with the hash" in task.query(alone).reason
    assert task.reported == ("test_accuracy",)


def test_tasks_say_which_file_they_want() -> None:
    for name, remedy in (
        ("nb101-cifar10", "optiproxy data fetch nasbench101"),
        ("nb301-cifar10", "optiproxy data fetch nasbench301"),
        ("nats-tss-cifar10", r"download NATS-tss.* from https://drive.google.* data add FILE"),
        ("transnas-macro-jigsaw", r"download transnas-bench_v10141024.pth from https://drive"),
    ):
        with pytest.raises(DataError, match=remedy):
            tasks.get(name).prepare()


def test_nats_task() -> None:
    from optiproxy.tables.originals.nasbench201 import COLUMNS

    task = tasks.get("nats-tss-cifar100")
    archs = [task.space.to_text(arch) for arch in task.space.sample(3, seed=1)]
    rows = [
        {"arch_index": i, "arch": arch, "cifar100_val_accuracy_200epochs": 60.0 + i,
         "cifar100_test_accuracy_200epochs": 61.0 + i, "cifar100_params_m": 0.5}
        for i, arch in enumerate(archs)
    ]  # fmt: skip
    write("nats_tss", COLUMNS, rows)
    assert task.query(task.space.architecture(archs[1])).metrics == {
        "val_accuracy": 61.0, "test_accuracy": 62.0, "params_m": 0.5,
    }  # fmt: skip
    assert task.optimum == 62.0


def test_transnas_tasks() -> None:
    from optiproxy.tables.originals.transnas import COLUMNS

    rows = [
        {"space": "macro", "arch": "64-1234-basic", "jigsaw_val_score": 90.0},
        {"space": "macro", "arch": "64-111111-basic", "jigsaw_val_score": 91.0},
        {"space": "micro", "arch": "64-41414-1_02_333", "jigsaw_val_score": 95.0,
         "jigsaw_test_score": 94.0},
    ]  # fmt: skip
    write("transnas_bench_101", COLUMNS, rows)
    macro, micro = tasks.get("transnas-macro-jigsaw"), tasks.get("transnas-micro-jigsaw")
    assert (macro.optimum, micro.optimum) == (91.0, 95.0)
    assert len(macro.space.all_indices) == 2
    arch = micro.space.architecture("64-41414-1_02_333")
    metrics = micro.query(arch).metrics
    assert metrics == {"val_score": 95.0, "test_score": 94.0}


def test_transnas_texts() -> None:
    micro, macro = MicroCell(), MacroChain()
    for arch in micro.sample(20, seed=0):
        assert micro.architecture(micro.to_text(arch)) == arch
    assert micro.count == 4096
    for digits in ("1234", "44444", "112233"):
        text = f"64-{digits}-basic"
        assert macro.to_text(macro.architecture(text)) == text
    for space, text in ((micro, "64-41414-1_02_334"), (micro, "1_2_3"), (macro, "64-12-basic"),
                        (macro, "64-1235-basic")):  # fmt: skip
        with pytest.raises(InvalidValueError, match="write 64-"):
            space.architecture(text)


def published_vector(genotype: Any, order: list[str]) -> list[float]:
    """A genotype as ConfigSpace's vector, straight from the benchmark's description.

    An edge's number counts the edges into each node in turn; a node's inputs are the place of
    their pair in the list "0_1", "0_2", …; what is not active is -1.
    """
    config: dict[str, float] = {}
    for cell in ("normal", "reduce"):
        start, width = 0, 2
        for node in range(4):
            pair = genotype[cell][2 * node : 2 * node + 2]
            for op, source in pair:
                config[f"edge_{cell}_{start + source}"] = DARTS_OPERATIONS.index(op)
            if node:
                pairs = [f"{i}_{j}" for i, j in itertools.combinations(range(node + 2), 2)]
                wanted = "_".join(str(s) for s in sorted(source for _, source in pair))
                config[f"inputs_node_{cell}_{node + 2}"] = pairs.index(wanted)
            start, width = start + width, width + 1
    return [config.get(name, -1) for name in order]


def test_surrogate_s_features_are_the_published_ones() -> None:
    edges = [f"edge_{cell}_{e}" for cell in ("normal", "reduce") for e in range(14)]
    inputs = [f"inputs_node_{c}_{n}" for c in ("normal", "reduce") for n in (3, 4, 5)]
    # Without conditions, by name: 32 hyper-parameters, of which these have these places.
    first = {"edge_normal_0": 10, "edge_normal_1": 11, "edge_reduce_0": 12, "edge_reduce_1": 13}
    first |= {name: 15 + i for i, name in enumerate(sorted(inputs))}
    later = sorted(set(edges) - set(first))
    place = {**first, **{name: 32 + i for i, name in enumerate(later)}}
    assert max(place.values()) == FEATURES - 1
    space = Darts()
    archs = space.sample(50, seed=2)
    found = features(space, space.to_indices(archs))
    order = list(place)
    for arch, vector in zip(archs, found, strict=True):
        genotype = _genotype(space.to_text(arch))
        assert [vector[place[name]] for name in order] == published_vector(genotype, order)
    settings = sorted(set(range(FEATURES)) - set(place.values()))
    assert not found[:, settings].any()


def _genotype(text: str) -> dict[str, list[tuple[str, int]]]:
    import re

    cells = re.findall(r"(normal|reduce)=\[(.*?)\]", text)
    return {
        cell: [(op, int(s)) for op, s in re.findall(r"\('(\w+)', (\d)\)", pairs)]
        for cell, pairs in cells
    }


def _trees(feature: int = 12) -> dict[str, np.ndarray]:
    """Two members: a split whose right child splits again, and a single leaf of 4."""
    rows = [
        # member, tree, node, feature, threshold, left, right, base_score
        (0, 0, 0, feature, 2.5, 1, 2, 90.0), (0, 0, 1, -1, -1.0, -1, -1, 90.0),
        (0, 0, 2, 10, 0.5, 3, 4, 90.0), (0, 0, 3, -1, 1.0, -1, -1, 90.0),
        (0, 0, 4, -1, 2.0, -1, -1, 90.0), (0, 1, 0, -1, 0.5, -1, -1, 90.0),
        (1, 0, 0, -1, 4.0, -1, -1, 80.0),
    ]  # fmt: skip
    names = ("member", "tree", "node", "feature", "threshold", "left", "right", "base_score")
    columns = zip(*rows, strict=True)
    return {name: np.array(column) for name, column in zip(names, columns, strict=True)}


def test_trees_are_walked() -> None:
    x = np.zeros((3, FEATURES), np.float32)
    x[:, 12] = [2, 3, 2.5]  # left; right; on the threshold is right
    x[:, 10] = [9, 0, 1]
    expected = [[90.5 - 1, 84], [90.5 + 1, 84], [90.5 + 2, 84]]
    np.testing.assert_allclose(Trees(_trees()).predict(x), expected)
    with pytest.raises(DataError, match=r"split on the features \[0\], which are settings"):
        Trees(_trees(feature=0))


def test_nb301_task() -> None:
    from optiproxy.tables.originals.nasbench301 import COLUMNS

    columns = _trees()
    rows = [
        {name: column[i].item() for name, column in columns.items()}
        for i in range(len(columns["node"]))
    ]
    write("nasbench301_xgb", COLUMNS, rows)
    task = tasks.get("nb301-cifar10")
    arch = task.space.sample(1, seed=0)[0]
    low = task.space.architecture({**arch, "reduce_op0a": "max_pool_3x3"})
    assert task.query(low).metrics == {"val_accuracy": (89.5 + 84) / 2}
    high = task.space.architecture({**arch, "reduce_op0a": "dil_conv_5x5",
                                    "normal_op0a": "skip_connect"})  # fmt: skip
    assert task.query(high).metrics == {"val_accuracy": (92.5 + 84) / 2}


def test_nb301_seconds_where_their_table_is_here() -> None:
    from optiproxy.tables.originals.nasbench301 import COLUMNS, RUNTIME_COLUMNS

    columns = _trees()
    rows = [
        {name: column[i].item() for name, column in columns.items()}
        for i in range(len(columns["node"]))
    ]
    write("nasbench301_xgb", COLUMNS, rows)
    limited = tasks.get("nb301-cifar10").replaced(constraints="train_seconds<=4500")
    arch = limited.space.sample(1, seed=0)[0]
    with pytest.raises(DataError, match=r"no nasbench301_lgb_runtime.* data fetch nasb"):
        limited.prepare()
    # Leaves in double precision: the seconds are not those of a single.
    leaf = {**rows[-1], "member": 0, "threshold": 4227.3000472757085, "base_score": 0.0}
    write("nasbench301_lgb_runtime", RUNTIME_COLUMNS, [leaf, {**leaf, "member": 1}])
    metrics = limited.query(arch).metrics
    assert metrics["train_seconds"] == 4227.3000472757085
    assert limited.feasible(metrics)
    fresh = tasks.get("nb301-cifar10")
    assert set(fresh.query(arch).metrics) == {"val_accuracy", "train_seconds"}
    assert fresh.metrics == ("val_accuracy", "train_seconds")


def test_hw_nas_bench_tasks_join_accuracy_and_costs(
    published: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from optiproxy.tables.nasbench201.hw_nas_bench import DATA_SETS, DEVICES
    from optiproxy.tables.originals.hw_nas_bench import METRICS

    # `home` has hidden the accuracies; the costs are written below.
    monkeypatch.setenv(store.VARIABLE, str(published))
    task = tasks.get("hwnas-imagenet16-120-edgegpu")
    names = [f"{d}_{m}" for d in DATA_SETS for m in METRICS.values()]
    columns = {"arch_index": "int32", "arch": "string", **dict.fromkeys(names, "float64")}
    archs = task.space.sample(3, seed=0)
    rows = [
        {"arch_index": i, "arch": task.space.to_text(arch),
         **{name: 10.0 * i + number for number, name in enumerate(names)}}
        for i, arch in enumerate(archs)
    ]  # fmt: skip
    write("hw_nas_bench_nb201", columns, rows)
    metrics = task.query(archs[2]).metrics
    accuracy = tasks.get("nb201-imagenet16-120").query(archs[2]).metrics
    assert metrics is not None
    assert accuracy is not None
    place = names.index("imagenet16_120_edgegpu_latency_ms")
    assert metrics == {**accuracy, "latency_ms": 20.0 + place, "energy_mj": 21.0 + place}
    assert task.reported == ("test_accuracy",)
    for device, (_, energy) in DEVICES.items():
        assert ("energy_mj" in tasks.get(f"hwnas-cifar10-{device}").metrics) == energy


def test_fbnet_costs_are_sums_over_blocks() -> None:
    """The names of the published table, built here from the stages one by one."""
    from optiproxy.tables.nasbench201.hw_nas_bench import fbnet, fbnet_costs
    from optiproxy.tables.originals.hw_nas_bench import FBNET

    blocks = {
        "ConvNorm_H224_W224_Cin3_Cout16_kernel3_stride2_group1": 1.0,
        "ConvNorm_H7_W7_Cin352_Cout1984_kernel1_stride1_group1": 2.0,
        "AvgP_H7_W7_Cin1984_Cout1984_kernel7_stride1": 3.0,
        "FC_Cin1984_Cout1000": 4.0,
    }
    sides = [112, *[112, 56, 56, 56], *[56, 28, 28, 28], *[28, 14, 14, 14], *[14] * 4,
             *[14, 7, 7, 7], 7]  # fmt: skip
    strides = [1, *[2, 1, 1, 1] * 3, *[1] * 4, *[2, 1, 1, 1], 1]
    widths = [16, *[24] * 4, *[32] * 4, *[64] * 4, *[112] * 4, *[184] * 4, 352]
    before = [16, *widths[:-1]]
    for h, s, c, d in zip(sides, strides, before, widths, strict=True):
        shape = f"H{h}_W{h}_Cin{c}_Cout{d}"
        for e, k, g in itertools.product((1, 3, 6), (3, 5), (1, 2)):
            blocks[f"ConvBlock_{shape}_exp{e}_kernel{k}_stride{s}_group{g}"] = 100.0 * e + k
        blocks[f"Skip_{shape}_stride{s}"] = 0.5
    columns = {"block": "string", **dict.fromkeys(FBNET, "float64")}
    rows = [{"block": b, **dict.fromkeys(FBNET, cost)} for b, cost in blocks.items()]
    write("hw_nas_bench_fbnet", columns, rows)
    costs, space = fbnet_costs("imagenet"), fbnet()
    skips = dict.fromkeys(space.names, "skip")
    assert costs(skips)["fpga_energy_mj"] == 10 + 22 * 0.5
    one = costs({**skips, "layer1": "k5_e6", "layer22": "k3_e1_g2"})
    assert one["raspi4_latency_ms"] == 10 + 20 * 0.5 + 605 + 103
    assert "edgetpu_latency_ms" not in one
    with pytest.raises(DataError, match="it has no block ConvNorm_H32_W32_Cin3_Cout16"):
        fbnet_costs("cifar100")
    with pytest.raises(InvalidValueError, match="did you mean 'imagenet'"):
        fbnet_costs("imagenet16")


def test_penn_treebank_s_pool_is_what_the_logs_have() -> None:
    from optiproxy.tables.originals.nasbench_nlp import COLUMNS, SPACE

    task = tasks.get("nasbench-nlp-ptb")
    [row] = [row for row in tasks.catalogue() if row.name == "nasbench-nlp-ptb"]
    assert (row.architectures, row.data) == (0, "missing")
    numbers = SPACE.canonical(SPACE.random_indices(2, np.random.default_rng(0))).astype(np.uint8)
    losses = [(0, 5.0), (0, 6.0), (1, 5.2), (1, None), (None, 1.0)]
    rows = [
        {"row": None if n is None else numbers[n].tobytes(), "final_val_loss": loss,
         "final_test_loss": loss, "params": 7, "val_loss_epoch_5": loss and 2 * loss}
        for n, loss in losses
    ]  # fmt: skip
    write("nasbench_nlp_ptb", COLUMNS, rows)
    assert task.space.count == 2
    first, second = SPACE.from_indices(numbers.astype(np.int64))
    assert task.query(first).metrics == {"val_loss": 5.5, "test_loss": 5.5, "params": 7}
    assert task.query(second).metrics == {"val_loss": 5.2, "test_loss": 5.2, "params": 7}
    assert task.optimum == 5.2
    assert task.fidelities == (1, 5, 10, 25, 50)
    short = task.replaced(low_fidelity=5)
    short.prepare()
    assert short.query(first, epochs=5).metrics == {"val_loss": 11, "params": 7}
    assert short.query(first).metrics == task.query(first).metrics
    assert task.space.valid(numbers.astype(np.int64)).all()


def test_every_original_makes_known_tables() -> None:
    for original in originals.ORIGINALS:
        assert bool(original.url) != bool(original.page)
        assert len(original.sha256) in (0, 64)
        known = [store.known(t).original for t in original.tables if t in store._BY_NAME]
        assert known, original.name
    for table in store.known_tables():
        if table.original:
            assert table.name in originals.original(table.original).tables

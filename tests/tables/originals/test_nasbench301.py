"""NAS-Bench-301's ensembles, written here in the published layouts."""

from __future__ import annotations

import collections
import json
import pickle
import struct
import sys
import types
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from optiproxy.errors import DataError
from optiproxy.tables import originals
from optiproxy.tables.nasbench301 import FEATURES, Trees
from optiproxy.tables.originals._xgboost import read

# A model of three trees with five leaves each, as LightGBM 2.3.1 wrote it.
TEXT = (Path(__file__).parent / "lightgbm-2.3.1.txt").read_text("utf-8")


def learner(base: str = "5E-1", objective: str = "reg:squarederror") -> dict[str, Any]:
    """A tree with one split, and one that is a leaf, as xgboost 1.x writes them."""
    trees = [
        {
            "left_children": [1, -1, -1], "right_children": [2, -1, -1],
            "split_indices": [12, 0, 0], "split_conditions": [2.5, -1.25, 3.5],
            "default_left": [1, 0, 0], "base_weights": [0.0, -1.25, 3.5],
        },
        {
            "left_children": [-1], "right_children": [-1], "split_indices": [0],
            "split_conditions": [10.0], "default_left": [0], "base_weights": [10.0],
        },
    ]  # fmt: skip
    return {
        "learner": {
            "gradient_booster": {"model": {"trees": trees}, "name": "gbtree"},
            "learner_model_param": {"base_score": base, "num_class": "0", "num_feature": "56"},
            "objective": {"name": objective},
        },
        "version": [1, 2, 0],
    }


def text(value: str) -> bytes:
    return struct.pack("<Q", len(value)) + value.encode()


def binary(
    base: float = 0.5, booster: str = "gbtree", objective: str = "reg:squarederror"
) -> bytes:
    """The same two trees as xgboost 1.2 writes them into a booster's buffer."""
    nodes = [
        # parent, left, right, split with the bit for missing values, value
        [(-1, 1, 2, 12 | 1 << 31, 2.5), (0, -1, -1, 0, -1.25), (0, -1, -1, 0, 3.5)],
        [(-1, -1, -1, 0, 10.0)],
    ]
    trees = b"".join(
        struct.pack("<37i", 1, len(tree), 0, 0, 56, *[0] * 32)
        + b"".join(struct.pack("<iiiIf", *node) for node in tree)
        + struct.pack("<fffi", 0.0, 1.0, 0.0, 0) * len(tree)
        for tree in nodes
    )
    model = (
        b"binf"
        + struct.pack("<fIiiiII27i", base, 56, 0, 1, 0, 1, 2, *[0] * 27)
        + text(objective) + text(booster)
        + struct.pack("<4iq2i32i", len(nodes), 1, 56, 0, 0, 1, 0, *[0] * 32)
        + trees + struct.pack("<2i", 0, 0)
    )  # fmt: skip
    if booster == "dart":
        model += struct.pack("<Q2f", 2, 0.5, 2.0)
    model += struct.pack("<Q", 0)  # No further attributes.
    return b"CONFIG-offset:" + struct.pack("<q", len(model)) + model + b'{"learner": {}}'


def pickled(monkeypatch: pytest.MonkeyPatch, place: str, **attributes: Any) -> bytes:
    """The pickle of a ``Booster`` of the module `place`, which need not be installed."""
    module: Any = types.ModuleType(place)

    class Booster:
        pass

    Booster.__module__, Booster.__qualname__ = place, "Booster"
    module.Booster = Booster
    library = place.partition(".")[0]
    monkeypatch.setitem(sys.modules, library, types.ModuleType(library))
    monkeypatch.setitem(sys.modules, place, module)
    made = Booster()
    made.__dict__.update(attributes)
    return pickle.dumps(made)


def booster(monkeypatch: pytest.MonkeyPatch, handle: bytes) -> bytes:
    """The pickle of an `xgboost.Booster` whose buffer is `handle`."""
    attributes = {"handle": bytearray(handle), "feature_names": None, "best_iteration": 7}
    return pickled(monkeypatch, "xgboost.core", **attributes)


def snapshot(model: dict[str, Any]) -> bytes:
    return json.dumps({"Config": {}, "Model": model}).encode()


def timed(monkeypatch: pytest.MonkeyPatch, text: Any = TEXT, **attributes: Any) -> bytes:
    """The pickle of a `lightgbm.Booster` with the attributes that LightGBM 2.3.1's have."""
    best = collections.defaultdict(collections.OrderedDict)
    best["valid_0"]["rmse"] = np.float64(50.5)
    usual = {
        "handle": text, "network": False, "best_iteration": 0, "best_score": best,
        "older_best_score": collections.defaultdict(dict), "pandas_categorical": None,
        "params": {"objective": "regression", "bananas_enc": False}, "name_valid_sets": ["valid_0"],
    }  # fmt: skip
    return pickled(monkeypatch, "lightgbm.basic", **{**usual, **attributes})


def ensemble(folder: Path, members: list[bytes], kind: str = "xgb") -> Path:
    for number, content in enumerate(members):
        place = folder / str(number)
        place.mkdir(parents=True)
        (place / "surrogate_model.model").write_bytes(content)
        (place / "model_config.json").write_text(json.dumps({"model": kind}))
    return folder


@pytest.mark.parametrize("layout", ["binary", "json"])
def test_trees_become_rows(
    tmp_path: Path, convert, monkeypatch: pytest.MonkeyPatch, layout: str
) -> None:
    if layout == "json":
        handles = [snapshot(learner(base)) for base in ("5E-1", "[2.5E1]")]
    else:
        handles = [binary(0.5), binary(25.0)]
    members = [booster(monkeypatch, handle) for handle in handles]
    folder = ensemble(tmp_path / "xgb_v1.0", members)
    assert originals.recognise(folder) == originals.original("nasbench301")
    rows = convert("nasbench301", folder)["nasbench301_xgb"]
    assert len(rows) == 2 * 4
    assert rows[0] == {
        "member": 0, "tree": 0, "node": 0, "feature": 12, "threshold": 2.5, "left": 1, "right": 2,
        "base_score": 0.5,
    }  # fmt: skip
    leaf = {"node": 2, "feature": -1, "threshold": 3.5, "left": -1, "right": -1}
    assert rows[2].items() >= leaf.items()
    assert (
        rows[7].items() >= {"member": 1, "tree": 1, "threshold": 10.0, "base_score": 25.0}.items()
    )


def test_the_zip_has_other_surrogates_too(
    tmp_path: Path, convert, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = booster(monkeypatch, snapshot(learner()))
    path = tmp_path / "models_0.9.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("nb_models/xgb_v0.9/0/surrogate_model.model", content)
        archive.writestr("nb_models/gnn_gin_v0.9/0/surrogate_model.model", b"weights")
        archive.writestr("nb_models/lgb_runtime_v0.9/0/surrogate_model.model", timed(monkeypatch))
    assert originals.recognise(path) == originals.original("nasbench301")
    tables = convert("nasbench301", path)
    assert {name: len(rows) for name, rows in tables.items()} == {
        "nasbench301_xgb": 4, "nasbench301_lgb_runtime": 27,
    }  # fmt: skip


@pytest.mark.parametrize("layout", ["binary", "json"])
def test_dart_trees_have_their_weights(
    tmp_path: Path, convert, monkeypatch: pytest.MonkeyPatch, layout: str
) -> None:
    model = learner()
    trees = model["learner"]["gradient_booster"]
    model["learner"]["gradient_booster"] = {
        "name": "dart", "gbtree": trees, "weight_drop": [0.5, 2.0],
    }  # fmt: skip
    handle = snapshot(model) if layout == "json" else binary(booster="dart")
    folder = ensemble(tmp_path / "xgb_v0.9", [booster(monkeypatch, handle)])
    rows = convert("nasbench301", folder)["nasbench301_xgb"]
    assert [row["threshold"] for row in rows] == [2.5, -0.625, 1.75, 20.0]


def test_what_can_not_be_read_is_told_with_the_reason(
    tmp_path: Path, convert, hostile, nothing_left, monkeypatch: pytest.MonkeyPatch
) -> None:
    bent = learner()
    bent["learner"]["gradient_booster"]["model"]["trees"][0]["left_children"][0] = 0
    whole = booster(monkeypatch, snapshot(learner()))
    cases = [
        ([pickle.dumps(hostile)], "0/surrogate_model.model: .*could run code"),
        ([whole[:-40]], "cut short or no pickle"),
        ([booster(monkeypatch, b"CONFIG-offset:12345")], "cut short"),
        ([booster(monkeypatch, binary()[:22] + b"bin1" + binary()[26:])], "older layout"),
        ([booster(monkeypatch, binary(booster="gblinear"))], "'gblinear' has no trees"),
        ([booster(monkeypatch, binary(objective="rank:ndcg"))], "'rank:ndcg', not a r"),
        ([booster(monkeypatch, b"{L\0\0\0")], "neither the binary one .* nor JSON"),
        ([booster(monkeypatch, b'{"Model": {')], "no model of xgboost"),
        ([booster(monkeypatch, snapshot(learner(objective="rank:ndcg")))], "'rank:ndcg', not a r"),
        ([booster(monkeypatch, snapshot(bent))], "tree 0 is none: one of its nodes leads"),
        ([pickle.dumps({"handle": b"{"})], "no booster of xgboost"),
    ]
    for number, (members, message) in enumerate(cases):
        folder = ensemble(tmp_path / str(number) / "xgb_v1.0", members)
        with pytest.raises(DataError, match=message):
            convert("nasbench301", folder)
        assert nothing_left()
    assert not (tmp_path / "it-ran").exists()


def test_other_surrogates_are_refused(tmp_path: Path, convert) -> None:
    folder = ensemble(tmp_path / "nb_models" / "gnn_gin_v1.0", [b"weights"], "gnn_gin")
    with pytest.raises(DataError, match=r"\(gnn_gin_v1.0\) none is the XGBoost ensemble or"):
        convert("nasbench301", folder.parent)
    for version in ("xgb_v0.9", "xgb_v1.0"):
        ensemble(tmp_path / "both" / version, [b""])
    with pytest.raises(DataError, match="several ensembles"):
        convert("nasbench301", tmp_path / "both")


def test_every_truncation_of_a_binary_model_is_told() -> None:
    whole = binary(booster="dart")
    end = whole.index(struct.pack("<Q", 0) + b'{"learner"')
    assert len(read(whole[:end]).trees) == 2
    for size in range(end):
        with pytest.raises(DataError, match=r"cut short|older layout|neither the binary"):
            read(whole[:size])


def test_an_altered_binary_model_is_told() -> None:
    whole = binary()
    nodes = whole.index(struct.pack("<iii", -1, 1, 2))
    for left in (0, 3, 2**30):
        bent = whole[: nodes + 4] + struct.pack("<i", left) + whole[nodes + 8 :]
        with pytest.raises(DataError, match="tree 0 is none"):
            read(bent)
    count = whole.index(struct.pack("<4i", 2, 1, 56, 0))
    with pytest.raises(DataError, match=r"-1 is no number of trees|cut short"):
        read(whole[:count] + struct.pack("<i", -1) + whole[count + 4 :])


def test_run_times_become_rows(tmp_path: Path, convert, monkeypatch: pytest.MonkeyPatch) -> None:
    # The second stopped early: it predicts with its first tree.
    members = [timed(monkeypatch), timed(monkeypatch, best_iteration=1)]
    folder = ensemble(tmp_path / "lgb_runtime_v1.0", members, "lgb_time")
    assert originals.recognise(folder) == originals.original("nasbench301")
    tables = convert("nasbench301", folder)
    assert list(tables) == ["nasbench301_lgb_runtime"]
    rows = tables["nasbench301_lgb_runtime"]
    assert [row["member"] for row in rows] == [0] * 27 + [1] * 9
    assert rows[0] == {
        "member": 0, "tree": 0, "node": 0, "feature": 12,
        "threshold": np.nextafter(2.5000000000000004, 3), "left": 2, "right": 1, "base_score": 0,
    }  # fmt: skip
    leaf = {"node": 4, "feature": -1, "threshold": 4227.3000472757085, "left": -1, "right": -1}
    assert rows[4].items() >= leaf.items()


def test_run_times_of_lightgbm_itself(tmp_path: Path, convert) -> None:
    import lightgbm  # Its wheel wants the system's OpenMP, which comes with gcc.

    rng = np.random.default_rng(0)
    x = np.zeros((300, FEATURES))
    x[:, 10:14], x[:, 15:21] = rng.integers(-1, 7, (300, 4)), rng.integers(0, 10, (300, 6))
    y = 4000 + 200 * x[:, 12] - 80 * x[:, 11] * (x[:, 15] > 3) + rng.normal(0, 50, 300)
    settings = {"objective": "regression", "num_leaves": 9, "num_threads": 1, "verbose": -1}
    booster = lightgbm.train(settings, lightgbm.Dataset(x, label=y), num_boost_round=20)
    folder = ensemble(tmp_path / "lgb_runtime_v1.0", [pickle.dumps(booster)], "lgb_time")
    rows = convert("nasbench301", folder)["nasbench301_lgb_runtime"]
    trees = Trees({name: np.array([row[name] for row in rows]) for name in rows[0]})
    found = trees.predict(x.astype(np.float32))[:, 0]
    np.testing.assert_allclose(found, booster.predict(x, num_threads=1), rtol=1e-14)


def test_what_can_not_be_read_of_run_times_is_told(
    tmp_path: Path, convert, hostile, nothing_left, monkeypatch: pytest.MonkeyPatch
) -> None:
    cases = [
        (pickle.dumps(hostile), "0/surrogate_model.model: .*could run code"),
        (timed(monkeypatch, params=hostile), "could run code"),
        (timed(monkeypatch)[:-40], "cut short or no pickle"),
        (timed(monkeypatch, TEXT.encode()), "no booster of LightGBM"),
        (timed(monkeypatch, None), "no booster of LightGBM"),
        (timed(monkeypatch, best_iteration="all"), "no booster of LightGBM"),
        (booster(monkeypatch, binary()), "names xgboost.core.Booster, which could run"),
        (timed(monkeypatch, TEXT[:1500]), "the model is cut short"),
    ]
    for number, (member, message) in enumerate(cases):
        folder = ensemble(tmp_path / str(number) / "lgb_runtime_v1.0", [member])
        with pytest.raises(DataError, match=message):
            convert("nasbench301", folder)
        assert nothing_left()
    assert not (tmp_path / "it-ran").exists()


def test_of_a_folder_with_unreadable_run_times_nothing_is_added_and_the_way_out_is_told(
    tmp_path: Path, convert, hostile, nothing_left, monkeypatch: pytest.MonkeyPatch
) -> None:
    models = tmp_path / "nb_models_1.0"
    ensemble(models / "xgb_v1.0", [booster(monkeypatch, binary())])
    times = ensemble(models / "lgb_runtime_v1.0", [timed(monkeypatch, "tree\nversion=v9")])
    with pytest.raises(DataError, match=r"cut short; to do without .* xgb_v1.0 alone"):
        convert("nasbench301", models)
    assert nothing_left()
    (times / "0" / "surrogate_model.model").write_bytes(pickle.dumps(hostile))
    with pytest.raises(DataError, match="could run code; nothing was converted"):
        convert("nasbench301", models)
    assert len(convert("nasbench301", models / "xgb_v1.0")["nasbench301_xgb"]) == 4


def test_a_split_on_what_no_vector_has_is_told() -> None:
    bent = learner()
    trees = bent["learner"]["gradient_booster"]["model"]["trees"]
    trees[0]["split_indices"][0] = 40_000
    with pytest.raises(DataError, match="tree 0 is none: it splits on a feature"):
        read(snapshot(bent))

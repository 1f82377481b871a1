"""The figure of one search: what is on it, from plain data, and how it gets onto the disk."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.figure import Figure

from optiproxy import report
from optiproxy.errors import InvalidValueError
from optiproxy.report import _figure

PNG = b"\x89PNG\r\n\x1a\n"


def _query(
    number: int, metrics: dict[str, float | None] | None, feasible: bool = True
) -> dict[str, Any]:
    architecture = {"depth": number}
    return {
        "query": number,
        "architecture": architecture,
        "metrics": metrics,
        "feasible": feasible and metrics is not None,
    }


def _labels(figure: Figure, panel: int) -> list[str]:
    return figure.axes[panel].get_legend_handles_labels()[1]


def test_one_panel_without_a_cost(tmp_path: Path, drawn: list[Figure]) -> None:
    queries = [_query(i, {"val_accuracy": 60.0 + i}) for i in range(1, 9)]
    path = report.search_figure(queries, tmp_path / "search.png", objective="val_accuracy")
    assert path.read_bytes().startswith(PNG)
    [figure] = drawn
    assert len(figure.axes) == 1
    assert figure.axes[0].get_ylabel() == "val_accuracy"
    assert _labels(figure, 0) == ["query", "best so far"]
    curve = figure.axes[0].lines[0].get_ydata()
    np.testing.assert_array_equal(curve, np.arange(61.0, 69.0))


def test_second_panel_shows_the_constrained_cost_and_its_limit(
    tmp_path: Path, drawn: list[Figure]
) -> None:
    queries = [
        _query(i, {"val_accuracy": 60.0 + i, "params": 1e4 * i, "energy": float(i)}, i <= 5)
        for i in range(1, 9)
    ]
    report.search_figure(
        queries, tmp_path / "s.png", objective="val_accuracy", constraints=["energy <= 5"]
    )
    [figure] = drawn
    assert figure.axes[1].get_xlabel() == "energy"
    # The best is the best of those within the limit.
    assert _labels(figure, 1) == ["energy <= 5", "best: 65"]
    assert "breaks a limit" in _labels(figure, 0)


@pytest.mark.parametrize("metric", ["latency_ms", "params", "flops"])
def test_second_panel_without_a_constraint(
    tmp_path: Path, drawn: list[Figure], metric: str
) -> None:
    queries = [_query(i, {"val_accuracy": 60.0, metric: float(i)}) for i in range(1, 4)]
    report.search_figure(queries, tmp_path / "s.png", objective="val_accuracy")
    assert drawn[0].axes[1].get_xlabel() == metric


def test_failures_and_values_off_the_scale_are_marked_and_counted(
    tmp_path: Path, drawn: list[Figure]
) -> None:
    good = [_query(i, {"val_accuracy": 69.0 + 0.1 * i}) for i in range(1, 9)]
    queries = [*good, _query(9, None), _query(10, None), _query(11, {"val_accuracy": 10.0})]
    report.search_figure(queries, tmp_path / "s.png", objective="val_accuracy")
    [figure] = drawn
    assert _labels(figure, 0)[-2:] == ["off the scale (1)", "failed (2)"]
    low, high = figure.axes[0].get_ylim()
    assert 60 < low < 69.1 < 69.8 < high
    left, right = figure.axes[0].get_xlim()
    assert left < 1 < 11 < right


@pytest.mark.slow
@pytest.mark.parametrize("direction", ["max", "min"])
@pytest.mark.parametrize(
    "queries",
    [
        [_query(1, {"loss": 1.0})],
        [_query(1, None)],
        [_query(1, {}, False), _query(2, {"loss": 1.0, "latency_ms": None})],
        [_query(1, {"loss": 2.0}, False), _query(2, {"loss": 2.0}, False)],
        [_query(i, {"loss": 3.0, "latency_ms": 1.0}) for i in range(1, 30)],
        [_query(1, {"loss": 3.0, "latency_ms": float("nan")})],
        [_query(1, {"latency_ms": 1.0}, False)],
    ],
    ids=["one", "all failed", "JSON", "none feasible", "all equal", "cost is NaN", "no objective"],
)
@pytest.mark.filterwarnings("error")
def test_degenerate_searches_are_drawn_without_a_warning(
    tmp_path: Path, queries: list[dict[str, Any]], direction: str
) -> None:
    path = tmp_path / "s.png"
    report.search_figure(queries, path, objective="loss", direction=direction)
    assert path.stat().st_size > 1000


@pytest.mark.parametrize(
    ("suffix", "start"), [(".png", PNG), (".svg", b"<?xml"), (".pdf", b"%PDF")]
)
def test_format_follows_the_ending(tmp_path: Path, suffix: str, start: bytes) -> None:
    path = tmp_path / "a new folder" / f"search{suffix}"
    report.search_figure([_query(1, {"a": 1.0})], path, objective="a")
    assert path.read_bytes().startswith(start)


def test_an_interrupted_drawing_leaves_the_old_figure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "s.png"
    path.write_bytes(b"old")

    def interrupted(self: Figure, target: Path, **_: Any) -> None:
        Path(target).write_bytes(b"half")
        raise KeyboardInterrupt

    monkeypatch.setattr(Figure, "savefig", interrupted)
    with pytest.raises(KeyboardInterrupt):
        report.search_figure([_query(1, {"a": 1.0})], path, objective="a")
    assert path.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["s.png"]


@pytest.mark.parametrize(
    ("keywords", "message"),
    [
        ({"path": "s.jpg"}, r"figure 's\.jpg': format: got '\.jpg'; .*\.png"),
        ({"queries": []}, r"search figure: queries: got \[\]; give at least one"),
        ({"direction": "up"}, r"objective 'a': got 'up'; give a direction: max or min"),
        ({"constraints": ["a = 1"]}, r"constraint: got 'a = 1'; write METRIC<=NUMBER"),
    ],
)
def test_bad_arguments_are_reported_and_nothing_is_written(
    tmp_path: Path, keywords: dict[str, Any], message: str
) -> None:
    given = {"queries": [_query(1, {"a": 1.0})], "path": "s.png", "objective": "a", **keywords}
    queries, name = given.pop("queries"), given.pop("path")
    with pytest.raises(InvalidValueError, match=message):
        report.search_figure(queries, tmp_path / name, **given)
    assert os.listdir(tmp_path) == []


@pytest.mark.slow
def test_pyplot_is_never_loaded_and_matplotlib_only_when_drawing(tmp_path: Path) -> None:
    code = (
        "import sys\n"
        "from optiproxy import report\n"
        "assert 'matplotlib' not in sys.modules\n"
        "queries = [{'query': 1, 'architecture': {}, 'metrics': {'a': 1.0}, 'feasible': True}]\n"
        "report.search_figure(queries, sys.argv[1], objective='a')\n"
        "assert 'matplotlib.pyplot' not in sys.modules\n"
        "assert 'torch' not in sys.modules\n"
    )
    # A display that does not exist must not matter.
    env = {**os.environ, "DISPLAY": ":99", "MPLBACKEND": "tkagg"}
    subprocess.run([sys.executable, "-c", code, tmp_path / "s.png"], check=True, env=env)


@pytest.mark.parametrize(("count", "shape"), [(1, (1, 1)), (3, (1, 3)), (5, (2, 4))])
def test_panels_stand_four_a_row(count: int, shape: tuple[int, int]) -> None:
    figure, axes = _figure.panels(count)
    assert len(axes) == count
    assert figure.axes[0].get_gridspec().get_geometry() == shape
    assert sum(axis.axison for axis in figure.axes) == count

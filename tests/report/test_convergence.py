"""The figure of a comparison, from dicts, pandas and pyarrow alike."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from matplotlib.figure import Figure

from optiproxy import report
from optiproxy.errors import InvalidValueError


def _table(
    tasks: dict[str, bool], methods: list[str], seeds: int, queries: int
) -> dict[str, list[Any]]:
    """Regret falls as seed / query; `tasks` says of each whether its optimum is known."""
    rows = [
        (task, method, seed, query, 90 - seed / query, seed / query if known else np.nan)
        for task, known in tasks.items()
        for method in methods
        for seed in range(seeds)
        for query in range(1, queries + 1)
    ]
    names = ("task", "method", "seed", "query", "best", "regret")
    return {name: [row[i] for row in rows] for i, name in enumerate(names)}


def test_a_panel_a_task_and_a_curve_a_method(tmp_path: Path, drawn: list[Figure]) -> None:
    table = _table({"known": True, "unknown": False}, ["random", "optiproxy"], 4, 10)
    report.convergence_figure(table, tmp_path / "c.png")
    [figure] = drawn
    known, unknown = figure.axes
    assert [axis.get_title() for axis in figure.axes] == ["known", "unknown"]
    assert known.get_yscale() == "symlog"
    assert unknown.get_yscale() == "linear"
    assert known.get_legend_handles_labels()[1] == ["random (4 seeds)", "optiproxy (4 seeds)"]
    # Seeds 0 to 3: the mean regret at query q is 1.5 / q, and the best is as far below 90.
    expected = 1.5 / np.arange(1, 11)
    np.testing.assert_allclose(known.lines[0].get_ydata(), expected)
    np.testing.assert_allclose(unknown.lines[1].get_ydata(), 90 - expected)


def test_band_is_the_interval_of_the_summary(tmp_path: Path, drawn: list[Figure]) -> None:
    table = {**_table({"t": True}, ["m"], 20, 4), "optimizer_seconds": [0.0] * 80}
    report.convergence_figure(table, tmp_path / "c.png")
    band = drawn[0].axes[0].collections[0].get_paths()[0].vertices
    [row] = report.analyse(table, [4]).summary
    at_end = band[band[:, 0] == 4, 1]
    # The regret is 90 minus the best, so the ends change sides.
    assert at_end.max() == pytest.approx(90 - row.ci_low)
    assert at_end.min() == pytest.approx(90 - row.ci_high)


def test_a_search_that_ended_early_keeps_its_end(tmp_path: Path, drawn: list[Figure]) -> None:
    table = _table({"t": True}, ["m"], 2, 4)
    short = {name: column[:2] + column[4:] for name, column in table.items()}
    report.convergence_figure(short, tmp_path / "c.png")
    # Seed 0 has a regret of zero throughout; seed 1 has 1 / query.
    np.testing.assert_allclose(drawn[0].axes[0].lines[0].get_ydata(), [1 / 2, 1 / 4, 1 / 6, 1 / 8])


def test_a_curve_starts_where_every_seed_has_a_feasible_query(
    tmp_path: Path, drawn: list[Figure]
) -> None:
    table = _table({"t": False}, ["m"], 3, 5)
    table["best"][0] = table["best"][1] = np.nan  # the first two queries of seed 0
    report.convergence_figure(table, tmp_path / "c.png")
    curve = np.asarray(drawn[0].axes[0].lines[0].get_ydata())
    assert np.isnan(curve).tolist() == [True, True, False, False, False]


def test_row_order_does_not_matter(tmp_path: Path, drawn: list[Figure]) -> None:
    table = _table({"t": True}, ["m"], 3, 5)
    order = np.random.default_rng(0).permutation(15)
    shuffled = {name: [column[i] for i in order] for name, column in table.items()}
    for given in (table, shuffled, pa.table(table), pa.table(shuffled).to_pandas()):
        report.convergence_figure(given, tmp_path / "c.png")
    curves = [np.asarray(figure.axes[0].lines[0].get_ydata()) for figure in drawn]
    for curve in curves[1:]:
        np.testing.assert_allclose(curve, curves[0])


@pytest.mark.slow
@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(
    "table",
    [
        _table({"t": True}, ["m"], 1, 1),
        _table({"t": True}, ["m"], 1, 20),  # seed 0 alone: the regret is zero throughout
        _table({f"t{i}": i % 2 == 0 for i in range(6)}, [f"m{i}" for i in range(9)], 2, 3),
        {**_table({"t": False}, ["m"], 2, 3), "best": [np.nan] * 6},
    ],
    ids=["one row", "zero regret", "many", "nothing feasible"],
)
def test_degenerate_tables_are_drawn_without_a_warning(
    tmp_path: Path, table: dict[str, list[Any]]
) -> None:
    path = report.convergence_figure(table, tmp_path / "c.png")
    assert path.stat().st_size > 1000


def test_bad_tables_are_reported(tmp_path: Path) -> None:
    table = _table({"t": True}, ["m"], 2, 3)
    with pytest.raises(InvalidValueError, match=r"no column 'regret'.*give the columns task, met"):
        report.convergence_figure(
            {k: v for k, v in table.items() if k != "regret"}, tmp_path / "c.png"
        )
    with pytest.raises(InvalidValueError, match=r"no rows"):
        report.convergence_figure({name: [] for name in table}, tmp_path / "c.png")
    with pytest.raises(InvalidValueError, match=r"format: got ''"):
        report.convergence_figure(table, tmp_path / "c")


def test_one_legend_and_twelve_methods_that_differ(tmp_path: Path, drawn: list[Figure]) -> None:
    methods = [f"m{i}" for i in range(12)]
    report.convergence_figure(_table({"t": True, "u": True}, methods, 2, 20), tmp_path / "c.png")
    [figure] = drawn
    [legend] = figure.legends
    assert [text.get_text() for text in legend.get_texts()] == [f"{m} (2 seeds)" for m in methods]
    assert not any(axis.get_legend() for axis in figure.axes)
    lines = figure.axes[0].lines
    for of in (("color", "linestyle"), ("marker",)):
        assert len({tuple(getattr(line, f"get_{name}")() for name in of) for line in lines}) == 12


def test_axes_begin_where_the_models_do(tmp_path: Path, drawn: list[Figure]) -> None:
    report.convergence_figure(_table({"t": True}, ["m"], 2, 20), tmp_path / "c.png", start=11)
    assert drawn[0].axes[0].lines[0].get_xdata().tolist() == list(range(11, 21))


def test_fonts_of_a_pdf_are_embedded_as_true_type(tmp_path: Path) -> None:
    path = report.convergence_figure(_table({"t": True}, ["m"], 2, 4), tmp_path / "c.pdf")
    content = path.read_bytes()
    assert b"/FontFile2" in content
    assert b"/Type3" not in content

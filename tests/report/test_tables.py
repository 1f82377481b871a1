"""The summary of a comparison as Markdown and as LaTeX."""

from __future__ import annotations

import math

import pytest

from optiproxy import report
from optiproxy.errors import InvalidValueError
from optiproxy.report import SummaryRow


def _row(method: str, budget: int, regret: float, std: float, test: float = 70.0) -> SummaryRow:
    nan = math.nan
    return SummaryRow(
        "my_task", method, budget, 20, 100 - regret, std, nan, nan, regret, 0.5, 1, nan, nan,
        {"test_acc": (test, 0.25)},
    )  # fmt: skip


ROWS = [_row("a", 10, 1.0, 0.123), _row("a", 20, 0.5, 0.0), _row("b", 10, 0.25, 0.01),
        _row("b", 20, 0.5, 2.0)]  # fmt: skip


def test_markdown() -> None:
    lines = report.summary_table(ROWS, "markdown").splitlines()
    assert lines == [
        "my_task: regret, mean ± std over 20 seeds; test_acc of the best after 20 queries",
        "",
        "| method | 10 queries | 20 queries | test_acc |",
        "|---|---:|---:|---:|",
        "| a | 1.00 ± 0.12 | **0.50 ± 0.00** | 70.00 ± 0.25 |",
        "| b | **0.250 ± 0.010** | **0.5 ± 2.0** | 70.00 ± 0.25 |",
    ]


def test_latex() -> None:
    text = report.summary_table(ROWS, "latex", unit="train_seconds")
    assert text.startswith(
        "% my_task: regret, mean ± std over 20 seeds; test_acc of the best after 20 train_seconds; "
        "needs \\usepackage{booktabs}"
    )
    assert r"method & 10 train\_seconds & 20 train\_seconds & test\_acc \\" in text
    assert r"b & \textbf{0.250 $\pm$ 0.010} & \textbf{0.5 $\pm$ 2.0}" in text
    assert text.count(r"\begin{tabular}{lrrr}") == text.count(r"\end{tabular}") == 1


def test_latex_reads_no_name_as_a_command() -> None:
    text = report.summary_table([_row(r"~a\b{c}^2_$&#%<", 10, 0.5, 0.1)], "latex")
    assert r"\textasciitilde{}a\textbackslash{}b\{c\}\textasciicircum{}2" in text
    assert r"2\_\$\&\#\%\textless{} & " in text


def test_without_an_optimum_it_is_the_best_value() -> None:
    unknown = [_row("a", 10, math.nan, 0.1)]
    assert "| a | nan" not in report.summary_table(unknown, "markdown")
    rows = [SummaryRow("t", "a", 5, 3, 90.0, 0.1, *[math.nan] * 6, math.nan)]
    assert "| a | 90.00 ± 0.10 |" in report.summary_table(rows, "markdown")
    with pytest.raises(InvalidValueError, match="format: got 'latx'; did you mean 'latex'"):
        report.summary_table(rows, "latx")


def test_of_several_objectives_it_is_a_share_of_the_hypervolume() -> None:
    nan = math.nan
    rows = [SummaryRow("t", "a", 5, 3, 0.9, 0.1, nan, nan, 0.1, 0.5, 1, nan, nan)]
    first = report.summary_table(rows, "markdown", fronts=["t"]).splitlines()[0]
    assert first == "t: share of the hypervolume missed, mean ± std over 3 seeds"

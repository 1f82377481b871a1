"""The summary of a comparison as a table for a paper: Markdown, or LaTeX with booktabs."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Sequence

from optiproxy.errors import unknown
from optiproxy.report.analysis import SummaryRow

FORMATS = ("markdown", "latex")

# Characters that LaTeX reads as commands.
_SPECIAL = str.maketrans(
    {c: f"\\{c}" for c in "_%&#${}"}
    | {"~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "\\": r"\textbackslash{}"}
    | {"<": r"\textless{}", ">": r"\textgreater{}", "±": r"$\pm$", "–": "--"}
)


def summary_table(
    rows: Sequence[SummaryRow], form: str, *, unit: str = "queries", fronts: Collection[str] = ()
) -> str:
    """Mean ± standard deviation over seeds, a method a row and a task's budgets in columns.

    It is the regret where the optimum is known, else the best value. The best mean of a column is
    bold where the optimum is known. Metrics that are only reported follow in columns of their own,
    at the last budget, as the title says.

    Args:
        rows: As of `analyse`.
        form: ``markdown``, or ``latex``: a ``tabular`` that needs the package booktabs.
        unit: Of the budgets.
        fronts: Tasks whose values are shares of a hypervolume.

    Raises:
        InvalidValueError: There is no such form.
    """
    if form not in FORMATS:
        raise unknown("format", form, FORMATS)
    write = _markdown if form == "markdown" else _latex
    tasks = dict.fromkeys(row.task for row in rows)
    return "\n".join(
        _task([r for r in rows if r.task == t], write, unit, t in fronts) for t in tasks
    )


# Title, heads, and of each row its cells with whether each is bold.
_Writer = Callable[[str, list[str], list[list[tuple[str, bool]]]], str]


def _task(rows: Sequence[SummaryRow], write: _Writer, unit: str, front: bool) -> str:
    methods = list(dict.fromkeys(row.method for row in rows))
    budgets = list(dict.fromkeys(row.budget for row in rows))
    reported = list(dict.fromkeys(name for row in rows for name in row.reported))
    known = any(not math.isnan(row.regret) for row in rows)
    found = {(row.method, row.budget): row for row in rows}
    least = {b: min((found[m, b].regret for m in methods), key=_last) for b in budgets}
    body = []
    for method in methods:
        of = [found[method, budget] for budget in budgets]
        line = [(method, False)]
        for row in of:
            value = row.regret if known else row.mean
            line.append((mean_and_std(value, row.std), known and value == least[row.budget]))
        line += [(mean_and_std(*of[-1].reported[name]), False) for name in reported]
        body.append(line)
    measure = "regret" if known else "best"
    if front:
        measure = f"share of the hypervolume {'missed' if known else 'found'}"
    seeds = min(row.seeds for row in rows)
    title = f"{rows[0].task}: {measure}, mean ± std over {seeds} seeds"
    if reported:
        title += f"; {', '.join(reported)} of the best after {budgets[-1]:g} {unit}"
    heads = ["method", *(f"{budget:g} {unit}" for budget in budgets), *reported]
    return write(title, heads, body)


def _last(value: float) -> float:
    return math.inf if math.isnan(value) else value


def mean_and_std(mean: float, std: float) -> str:
    """Both with as many decimals as two digits of the deviation have."""
    if math.isnan(mean):
        return "–"
    if math.isnan(std):
        return f"{mean:.4g}"
    places = 2 if std == 0 else min(6, max(0, 1 - math.floor(math.log10(std))))
    return f"{mean:.{places}f} ± {std:.{places}f}"


def _markdown(title: str, heads: list[str], body: list[list[tuple[str, bool]]]) -> str:
    lines = [title, "", f"| {' | '.join(heads)} |", f"|---|{'---:|' * (len(heads) - 1)}"]
    for row in body:
        cells = (f"**{text}**" if bold else text for text, bold in row)
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def _latex(title: str, heads: list[str], body: list[list[tuple[str, bool]]]) -> str:
    def text(cell: str) -> str:
        return cell.translate(_SPECIAL)

    lines = [
        f"% {title}; needs \\usepackage{{booktabs}}",
        rf"\begin{{tabular}}{{l{'r' * (len(heads) - 1)}}}",
        r"\toprule",
    ]
    lines += [" & ".join(map(text, heads)) + r" \\", r"\midrule"]
    for row in body:
        cells = (rf"\textbf{{{text(t)}}}" if bold else text(t) for t, bold in row)
        lines.append(" & ".join(cells) + r" \\")
    return "\n".join([*lines, r"\bottomrule", r"\end{tabular}"]) + "\n"

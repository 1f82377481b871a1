"""Figures of docs/results.md, from the newest result of each of these experiments.

    python benchmarks/experiments/figures.py

Draws variants.svg and gap.svg; an experiment without a result is left out. The other two figures of
the page were drawn by `optiproxy compare`.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np

from optiproxy.report._figure import PALETTE, panels, save

ROOT = Path(__file__).parents[2]
RESULTS, FIGURES = ROOT / "benchmarks" / "results", ROOT / "docs" / "figures"
VARIANTS = (
    "published",
    "proxies",
    "climb",
    "initial-sample",
    "acquisition",
    "few-queries",
)


def newest(label: str) -> dict[str, Any] | None:
    """The latest result file of an experiment; their names begin with the date."""
    found = sorted(RESULTS.glob(f"????-??-??-experiment-{label}.json"))
    return json.loads(found[-1].read_text()) if found else None


def draw_variants(results: dict[str, dict[str, Any]], folder: Path) -> None:
    """Mean regret and its 95 % interval at each budget; one panel for each experiment and task."""
    shown = [
        (label, task, variants)
        for label, result in results.items()
        for task, variants in result["results"].items()
    ]
    figure, axes = panels(len(shown), width=4.6, height=3.4)
    for axis, (label, task, variants) in zip(axes, shown, strict=True):
        budgets = [key for key in next(iter(variants.values())) if key.isdigit()]
        for b, budget in enumerate(budgets):
            for row, found in enumerate(variants.values()):
                mean, (low, high) = found[budget]["mean_regret"], found[budget]["interval_95"]
                at = row + 0.2 * (b - (len(budgets) - 1) / 2)
                axis.plot([low, high], [at, at], color=PALETTE[b], linewidth=2)
                label_of = f"{budget} queries" if row == 0 else None
                axis.plot(mean, at, "o", color=PALETTE[b], markersize=5, label=label_of)
        axis.set_yticks(range(len(variants)), list(variants))
        axis.invert_yaxis()
        axis.set_xlim(left=0)
        axis.set_title(f"{label}: {task}", fontsize="medium")
        axis.set_xlabel("regret, mean and 95 %")
        axis.legend(fontsize="small")
    save(figure, folder / "variants.svg")


def draw_gap(result: dict[str, Any], folder: Path) -> None:
    """Rank correlation on a fixed sample by round; entropy by round and by step of the ascent."""
    figure, axes = panels(3, width=4.6, height=3.4)
    sample, rounds, steps = axes
    for colour, (task, found) in zip(PALETTE, result["results"].items(), strict=False):
        queries = found["queries_known"]
        mean = np.array(found["rank_correlation_on_sample"])
        std = np.array(found["rank_correlation_on_sample_std"])
        sample.plot(queries, mean, color=colour, label=task)
        sample.fill_between(queries, mean - std, mean + std, color=colour, alpha=0.18, linewidth=0)
        rounds.plot(queries, found["entropy_at_start_of_climb"], color=colour, linestyle=":")
        rounds.plot(queries, found["entropy_at_end_of_climb"], color=colour, label=task)
        steps.plot(found["entropy_over_steps"], color=colour, label=task)
    sample.set_title("prediction and measurement, 1,000 random")
    sample.set_ylabel("rank correlation, mean ± deviation")
    rounds.set_title("entropy before (dotted) and after the ascent")
    steps.set_title("entropy in the ascent")
    sample.set_xlabel("queries known")
    rounds.set_xlabel("queries known")
    steps.set_xlabel("step")
    for axis in (rounds, steps):
        axis.set_ylabel("share of the uniform distribution's")
        axis.set_ylim(0, 1)
    for axis in axes:
        axis.legend(fontsize="small")
    save(figure, folder / "gap.svg")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=FIGURES, help="default: docs/figures")
    folder = parser.parse_args().out
    folder.mkdir(parents=True, exist_ok=True)
    results = {label: found for label in VARIANTS if (found := newest(label)) is not None}
    if results:
        draw_variants(results, folder)
    if (gap := newest("gap-auto")) is not None:
        draw_gap(gap, folder)


if __name__ == "__main__":
    main()

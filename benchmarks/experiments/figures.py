"""Figures and tables of docs/experiments.md, from the newest result of each of these experiments.

    python benchmarks/experiments/figures.py

Draws docs/figures/variants.svg and gap.svg and prints the tables; an experiment without a result is
left out. The other two figures are those that `optiproxy compare` drew.
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


def table(label: str, result: dict[str, Any]) -> None:
    """Prints the mean regret of each variant at each budget, in points of accuracy."""
    settings = result["settings"]
    first, seeds = settings["first_seed"], settings["seeds"]
    print(f"\n{label}: seeds {first} to {first + seeds - 1}; `{result['command']}`")
    for task, variants in result["results"].items():
        budgets = [key for key in next(iter(variants.values())) if key.isdigit()]
        heads = " | ".join(f"{budget} queries" for budget in budgets)
        print(f"\n| {task} | {heads} | optimum found | p | seconds |")
        print("|---|" + "---|" * (len(budgets) + 3))
        for name, found in variants.items():
            cells = [
                "{mean_regret:.3f} ({0:.3f} to {1:.3f})".format(
                    *found[b]["interval_95"], mean_regret=found[b]["mean_regret"]
                )
                for b in budgets
            ]
            last = found[budgets[-1]]
            p = f"{last['wilcoxon_p']:.3f}" if "wilcoxon_p" in last else ""
            share, seconds = last["optimum_found"], found["optimizer_seconds"]
            print(f"| {name} | {' | '.join(cells)} | {share:.0%} | {p} | {seconds:.1f} |")


def draw_variants(results: dict[str, dict[str, Any]]) -> None:
    """Mean regret and its 95 % interval at each budget, one panel an experiment and task."""
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
    save(figure, FIGURES / "variants.svg")


def draw_gap(result: dict[str, Any]) -> None:
    """The rank correlation on a fixed sample, and the entropy, round by round and in the climb."""
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
    rounds.set_title("entropy before (dotted) and after the climb")
    steps.set_title("entropy in the climb")
    sample.set_xlabel("queries known")
    rounds.set_xlabel("queries known")
    steps.set_xlabel("step")
    for axis in (rounds, steps):
        axis.set_ylabel("share of the uniform distribution's")
        axis.set_ylim(0, 1)
    for axis in axes:
        axis.legend(fontsize="small")
    save(figure, FIGURES / "gap.svg")


def main() -> None:
    argparse.ArgumentParser(description=__doc__.splitlines()[0]).parse_args()
    FIGURES.mkdir(parents=True, exist_ok=True)
    results = {label: found for label in VARIANTS if (found := newest(label)) is not None}
    for label, result in results.items():
        table(label, result)
    if results:
        draw_variants(results)
    gap = newest("gap-auto")
    if gap is None:
        return
    for task, found in gap["results"].items():
        windows = found["rank_correlation_on_queries"]
        cells = " | ".join(f"{w['mean']:.2f} ± {w['std']:.2f}" for w in windows.values())
        last = found["rank_correlation_on_sample"][-1]
        print(f"\n{task}, queries {', '.join(windows)}: {cells}; sample {last:.2f}")
    draw_gap(gap)


if __name__ == "__main__":
    main()

"""Writes the tables of the documents from the stored results.

    python benchmarks/tables.py [--check]

A table stands between ``<!-- table: NAME -->`` and ``<!-- end -->``, mostly followed by the command
and the file that it is from: the newest result file of its experiment. With ``--check`` nothing is
written; it names the documents that differ from the files, and the exit status is 1.
"""

from __future__ import annotations

import argparse
import json
import math
import re
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import _long_tables
import _results
import claims
import numpy as np
import pyarrow.csv
from _pages import NB201, NB201_SHOWN, Lines, Source, cited, newest, regret, share, table
from scipy.stats import rankdata

from optiproxy.report.significance import signed_rank

DOCUMENTS = (
    "README.md",
    *(f"docs/{n}.md" for n in ("compare", "long-searches", "noise", "results", "scores")),
)
PAGES = [_results.ROOT / name for name in DOCUMENTS]

TASK = "nb201-imagenet16-120"

# The default and the methods without a model, as result files name them.
UNMODELLED = ("auto", "evolution", "local", "random")
MODELLED = ("auto", "gpsampler", "tpe", "evolution", "random")

#: Variant as stored → as shown.
SHOWN = {
    "auto": "`auto` (default)",
    "gp": "`gp`",
    "mlp": "`mlp`",
    "gcn": "`gcn`",
    "transformer": "`transformer`",
    "mlp:active_path": "networks, active path",
    "mlp:onehot": "networks, one-hot",
    "mlp:adjacency": "networks, adjacency",
    "mlp:path": "networks, paths",
    "gp:active_path": "Gaussian process, active path",
    "gp:onehot": "Gaussian process, one-hot",
    "gp:adjacency": "Gaussian process, adjacency",
    "gp:path": "Gaussian process, paths",
    "draws": "random draws, no ascent",
    "tau 0.7": "temperature 0.7 throughout",
    "tau 0.2": "temperature 0.2 throughout",
    "climbs improvement": "ascent of expected improvement",
    "climbs optimism": "ascent of the upper confidence bound",
    "climbs thompson": "ascent of Thompson samples",
    "mean, improvement": "mean and expected improvement in turn (default)",
    "mean": "mean",
    "improvement": "expected improvement",
    "optimism": "upper confidence bound",
    "thompson": "Thompson sampling",
    "mean, thompson": "mean and Thompson sampling in turn",
    "10": "10 (default)",
    "no climb": "no ascent",
    "no noise": "no noise",
    "kept": "parameters kept between rounds",
    "exchanged": "two operations exchanged",
    "whole table": "standardised by the whole table",
}


def bold(values: Sequence[float | None], best: float) -> list[str]:
    """Three decimals, a dash for none; those that equal the best are bold."""
    shown = ["–" if value is None else f"{value:.3f}" for value in values]
    return [f"**{text}**" if text == f"{best:.3f}" else text for text in shown]


def nb201(name: str = "nb201-auto", budgets: Sequence[int] = (25, 50, 100)) -> Lines:
    source = Source(name)
    heads = ["", *(f"{q} queries: regret, found" for q in budgets), "median queries"]
    rows = []
    for name in NB201:
        found = source.results["tasks"][f"nb201-{name}"]
        cells = [f"{r['mean_regret']:.3f}, {share(r['optimum_found'])}" for r in _by_budget(found)]
        rows.append(
            [NB201_SHOWN[name], *cells, found["median_queries_to_optimum"] or f"over {budgets[-1]}"]
        )
    return table(heads, rows, source.line)


def _by_budget(found: dict[str, Any]) -> list[dict[str, Any]]:
    return [found[key] for key in found if key.isdigit()]


def warm_start() -> Lines:
    source = Source("warm-start")
    heads = ["", "study", *(f"found within {q}" for q in (3, 20, 40, 50)), "regret after 50"]
    names = {"warm": "as measured", "shuffled": "values shuffled", "cold": "none"}
    rows = [
        [
            NB201_SHOWN[name.removeprefix("nb201-")],
            names[mode],
            *(share(found["found_within"][q]) for q in ("3", "20", "40", "50")),
            regret(found["mean_regret"]["50"]),
        ]
        for name, modes in source.results.items()
        for mode, found in modes.items()
    ]
    return table(heads, rows, source.line)


def warm_start_spaces() -> Lines:
    source = Source("warm-start-spaces")
    shown = ("10", "15", "25")
    heads = ["earlier study → search", "listened to"]
    heads += [f"after {q}: without, with" for q in shown] + ["p after 25"]
    rows = []
    for pair, found in source.results.items():
        means = found["mean_regret"]
        cells = [f"{regret(means['cold'][q])}, {regret(means['warm'][q])}" for q in shown]
        after = [source.content["values"][pair][mode]["25"] for mode in ("cold", "warm")]
        pair = " → ".join(f"`{name}`" for name in pair.split(" → "))
        rows.append([pair, share(found["listened"]), *cells, _tested(np.subtract(*after))])
    return table(heads, rows, source.line)


def compared(label: str, queries: int, cited: bool = True) -> Lines:
    """Mean regrets of a folder that ``optiproxy compare`` wrote; the least of a task is bold."""
    folder = newest(label)
    rows = pyarrow.csv.read_csv(folder / "summary.csv").to_pylist()
    found = {(r["task"], r["method"]): r["regret"] for r in rows if r["budget"] == queries}
    names = list(dict.fromkeys(method for _, method in found))
    body = []
    for task in dict.fromkeys(task for task, _ in found):
        values = [found[task, method] for method in names]
        best = min(value for value in values if value is not None)
        body.append([f"`{task}`", *bold(values, best)])
    return table([f"regret after {queries} queries", *names], body, *([_compare(folder)] * cited))


def _compare(folder: Path) -> str:
    return cited(json.loads((folder / "run.json").read_text())["command"], folder)


def ranks(label: str, *, at: Sequence[int] = (), cited: bool = True) -> Lines:
    """Mean ranks over tasks and seeds; in brackets p of the difference from the default.

    Args:
        label: Of a folder that ``optiproxy compare`` wrote.
        at: The budgets that are shown; all if there are none.
        cited: Whether the command stands below.
    """
    folder = newest(label)
    ranked = pyarrow.csv.read_csv(folder / "ranks.csv").to_pylist()
    tests = pyarrow.csv.read_csv(folder / "tests.csv").to_pylist()
    p = {(r["method_b"], r["budget"]): r["p_holm"] for r in tests if r["task"] == "all"}
    cells: dict[str, dict[int, str]] = {}
    for r in ranked:
        of = (r["method"], r["budget"])
        beside = f" ({_p(p[of])})" if of in p else ""
        cells.setdefault(r["method"], {})[r["budget"]] = f"{r['mean_rank']:.2f}{beside}"
    budgets = at or sorted({r["budget"] for r in ranked})
    rows = [[method, *(found[b] for b in budgets)] for method, found in cells.items()]
    rows.sort(key=lambda row: float(row[-1].split()[0]))
    heads = ["mean rank (p)", *(f"{b} queries" for b in budgets)]
    return table(heads, rows, *([_compare(folder)] * cited))


def _p(value: float) -> str:
    return "< 0.0001" if value < 1e-4 else f"{value:.2g}"


def _tested(*strata: Any) -> str:
    """p of the exact signed-rank test of differences, a stratum a task.

    Accuracies are thirds of hundredths, with noise in the seventh digit and rounded in the files:
    in four digits equal differences are equal, and share a rank.
    """
    return _p(signed_rank([np.round(stratum, 4) for stratum in strata])[1])


def hardware() -> Lines:
    ours, evolution = Source("hardware-auto"), Source("hardware-evolution")
    heads = ["limit", "regret after 50", "after 100", "optimum found", "queries within the limit"]
    rows = []
    for name in ("quantile 0.1", "quantile 0.3", "quantile 0.6", "all"):
        row = ours.results[name]
        label = name if name == "all" else share(float(name.split()[1]))
        values = regret(row["mean_regret_at_half"]), regret(row["mean_regret"])
        shares = share(row["optimum_found"]), share(row["feasible_queries"])
        rows.append([label, *values, *shares, regret(evolution.results[name]["mean_regret"])])
    return table([*heads, "evolution after 100"], rows, ours.line, evolution.line)


def limited(label: str, shown: Callable[[str], str], *names: str) -> Lines:
    """Each method's regret by task; its mean rank; p of the difference from the default.

    Of the tasks and seeds that the files of all methods have.

    Args:
        label: Of the files, one a method.
        shown: A task's name in the table.
        names: The methods as their files name them, the default first.
    """
    sources = [Source(f"{label}-{name}") for name in names]
    values = [source.content["values"] for source in sources]
    common = [task for task in values[0] if all(task in of for of in values)]
    seeds = min(source.content["settings"]["seeds"] for source in sources)
    budget = sources[0].content["settings"]["budget"]
    at = _regrets_at(budget)
    found = {
        key: [[np.array(of[task][key][:seeds]) for task in common] for of in values]
        for key in (*at.values(), "feasible_queries")
    }
    rows = []
    for number, task in enumerate(common):
        means = [float(regrets[number].mean()) for regrets in found["regret"]]
        optimum = sources[0].results["tasks"][task]["optimum"]
        rows.append([shown(task), f"{optimum:.3f}", *bold(means, min(means))])
    for queries, key in at.items():
        means = [float(np.concatenate(regrets).mean()) for regrets in found[key]]
        rows.append([f"all, after {queries}", "", *bold(means, min(means))])
    for queries, key in at.items():
        ranks = [np.concatenate(regrets) for regrets in found[key]]
        cells = [f"{rank:.2f}" for rank in rankdata(ranks, axis=0).mean(1)]
        for i, other in enumerate(found[key][1:], 1):
            gains = [b - a for a, b in zip(found[key][0], other, strict=True)]
            cells[i] += f" ({_tested(*gains)})"
        rows.append([f"mean rank after {queries} (p)", "", *cells])
    best = [(np.concatenate(regrets) <= 1e-9).mean() for regrets in found["regret"]]
    rows.append(["optimum found", "", *map(share, best)])
    within = [np.concatenate(counts).mean() / budget for counts in found["feasible_queries"]]
    rows.append(["within the limit", "", *map(share, within)])
    shown_as = ["optiproxy" if name == "auto" else name for name in names]
    heads = [f"{seeds} seeds: regret after {budget} queries", "best within", *shown_as]
    return table(heads, rows, *(source.line for source in sources))


def published_method() -> Lines:
    """The published method beside the default on the authors' tasks, at the budgets of both."""
    ours, paper = Source("hardware-published-auto"), Source("hardware-published-paper")
    seeds = paper.content["settings"]["seeds"]
    rows = []
    for queries in (50, 100):
        found = []
        for source in (ours, paper):
            key = _regrets_at(source.content["settings"]["budget"])[queries]
            found.append([np.array(v[key][:seeds]) for v in source.content["values"].values()])
        means = [float(np.concatenate(regrets).mean()) for regrets in found]
        best = [share((np.concatenate(regrets) <= 1e-9).mean()) for regrets in found]
        gains = [other - own for own, other in zip(*found, strict=True)]
        rows.append([queries, *bold(means, min(means)), *best, _tested(*gains)])
    heads = [f"{seeds} seeds: queries", "optiproxy", "paper", "best found: optiproxy", "paper", "p"]
    return table(heads, rows, ours.line, paper.line)


def _regrets_at(budget: int) -> dict[int, str]:
    """Queries → the name that values of `benchmarks/hardware.py` have for the regret after them."""
    return {budget // 4: "regret_at_quarter", budget // 2: "regret_at_half", budget: "regret"}


def _device(task: str) -> str:
    return task.removeprefix("hwnas-imagenet16-120-").replace(" at ", ", ")


def _quantile(task: str) -> str:
    name, _, quantile = task.partition(" at ")
    return f"`{name}`, {share(float(quantile))}"


def pareto() -> Lines:
    source = Source("pareto")
    methods = list(next(iter(source.results.values()))["share_of_hypervolume"])
    rows = []
    for task, found in source.results.items():
        shares = found["share_of_hypervolume"]
        for queries in ("50", "100"):
            values = [shares[method][queries] for method in methods]
            rows.append([f"`{task}`", queries, *bold(values, max(values))])
    return table(["task", "queries", *methods], rows, source.line)


def low_fidelity() -> Lines:
    sources = {name: Source(f"low-fidelity-nb201-{name}") for name in NB201}
    heads = ["", "100 full trainings", "with low fidelity", "optimum found", "training seconds"]
    rows = []
    for name, source in sources.items():
        full, low = source.results["full"], source.results["low"]
        found = f"{share(full['optimum_found'])}, {share(low['optimum_found'])}"
        part = f"{100 * source.results['part_of_training_seconds']:.1f} %"
        rows.append([NB201_SHOWN[name], regret(full["regret"]), regret(low["regret"]), found, part])
    return table(heads, rows, *(source.line for source in sources.values()))


def early_stopping() -> Lines:
    source = Source("early-stopping")
    heads = ["", "in full: half", "all", "stopped early: half", "all", "trainings, of them stopped"]
    rows = []
    for method, found in source.results.items():
        full, early = found["in full"], found["stopped early"]
        values = [regret(r[key]) for r in (full, early) for key in ("regret_at_half", "regret")]
        rows.append([method, *values, f"{early['queries']:.0f}, {early['stopped']:.0f}"])
    return table(heads, rows, source.line)


def variants(*labels: str, first: str, order: Sequence[str] = ()) -> Lines:
    """Regret and interval of each variant, and p of the difference from the first one."""
    sources = [Source(f"experiment-{label}") for label in labels]
    merged: dict[str, dict[str, Any]] = {}
    values: dict[str, dict[str, list[float]]] = {}
    for source in sources:
        merged |= source.results[TASK]
        values |= source.content["values"][TASK]
    rows = []
    base = next(iter(merged))
    for name in order or merged:
        found = merged[name]
        budgets = [key for key in found if key.isdigit()]
        cells = [
            f"{found[b]['mean_regret']:.3f} ({interval[0]:z.3f} to {interval[1]:z.3f})"
            for b in budgets
            if (interval := found[b]["interval_95"])
        ]
        last = budgets[-1]
        difference = np.array(values[name][last]) - np.array(values[base][last])
        p = "" if name == base else _tested(difference)
        rows.append([SHOWN.get(name, name), *cells, share(found[last]["optimum_found"]), p])
    heads = [first, *(f"{b} queries" for b in budgets), "optimum found", "p"]
    return table(heads, rows, *(source.line for source in sources))


def proxies() -> Lines:
    encodings = ("active_path", "onehot", "adjacency", "path")
    alone = [f"{model}:{encoding}" for model in ("gp", "mlp") for encoding in encodings]
    order = ("auto", "gp", "mlp", "transformer", "gcn", *alone)
    return variants("proxies", first="proxy", order=order)


def few_queries() -> Lines:
    source = Source("experiment-few-queries")
    methods = ("optiproxy", "paper", "random", "evolution")
    rows = []
    for name, found in source.results.items():
        values = [found[method]["20"]["mean_regret"] for method in methods]
        rows.append([NB201_SHOWN[name.removeprefix("nb201-")], *bold(values, min(values))])
    return table(["regret after 20 queries", *methods], rows, source.line)


def models(label: str, queries: int) -> Lines:
    """Error and rank correlation of models with and without knowledge of the space."""
    source = Source(f"experiment-{label}")
    heads = ["error, rank correlation"]
    heads += [f"{m}: {w}" for m in ("Gaussian process", "networks") for w in ("without", "with")]
    rows: dict[str, list[str]] = {}
    for name, found in source.results.items():
        what, seen, _ = name.split(", ")
        # Of a sample that is too small for 100, there are results with 30 alone.
        if seen == f"{queries} queries" or "sample" in what:
            cells = rows.setdefault(f"`{what}`" + (" (30)" if "sample" in what else ""), [])
            for how in ("not told", "told"):
                error, rank = found[f"error, {how}"], found[f"rank correlation, {how}"]
                cells.append(f"{error:.2f}, {rank:.2f}")
    return table(heads, ([name, *cells] for name, cells in rows.items()), source.line)


def peaks() -> Lines:
    source = Source("experiment-peaks")
    functions = list(dict.fromkeys(name.rpartition(", ")[0] for name in source.results))
    methods = list(dict.fromkeys(name.rpartition(", ")[2] for name in source.results))
    rows = []
    for function in functions:
        for queries in ("25", "40"):
            values = [source.results[f"{function}, {m}"][queries]["mean_regret"] for m in methods]
            rows.append([function, queries, *bold(values, min(values))])
    return table(["function, numbers × steps", "queries", *methods], rows, source.line)


def what_limits() -> Lines:
    """Regrets of the variants, p of the difference from the default, and what models know."""
    source = Source("experiment-what-limits")
    rows = []
    for name, variants in source.content["values"].items():
        base = variants["default"]
        for variant, at in variants.items():
            cells = [regret(float(np.mean(values))) for values in at.values()]
            if variant == "model":
                shown = (f"{n}: {cell}" for n, cell in zip(at, cells, strict=True))
                rows.append([f"`{name}`", "25 chosen by a model of N", "", "", ", ".join(shown)])
                continue
            if variant != "default":
                gaps = [np.subtract(at[n], base[n]) for n in at]
                cells = [f"{c} ({_tested(g)})" for c, g in zip(cells, gaps, strict=True)]
            rows.append([f"`{name}`", variant, *cells])
    heads = ["", "", *(f"{n} queries (p)" for n in (15, 25, 50))]
    return table(heads, rows, source.line)


def ranges() -> Lines:
    source = Source("ranges")
    tasks = list(dict.fromkeys(name.rpartition(", ")[0] for name in source.results))
    samplers = list(dict.fromkeys(name.rpartition(", ")[2] for name in source.results))
    rows = []
    for task in tasks:
        for trials in (n for n in source.results[f"{task}, {samplers[0]}"] if n.isdigit()):
            values = [source.results[f"{task}, {s}"][trials]["mean_regret"] for s in samplers]
            rows.append([task, trials, *bold(values, min(values))])
    return table(["task", "trials", *samplers], rows, source.line)


def found_spaces() -> Lines:
    source = Source("found-spaces")
    rows = []
    for task in dict.fromkeys(name.rpartition(", ")[0] for name in source.results):
        by_hand, found = (source.results[f"{task}, {kind}"] for kind in ("by hand", "found"))
        for queries in (n for n in by_hand if n.isdigit()):
            values = [
                f"{regret(each[queries]['mean_regret'])} ± {each[queries]['std']:.3f}"
                for each in (by_hand, found)
            ]
            rows.append([f"`{task}`", queries, *values])
        rows[-1].append(f"{source.results[f'{task}, p']:.2f}")
    heads = ["task", "queries", "by hand", "found", "p of the difference"]
    return table(heads, [[*row, ""][:5] for row in rows], source.line)


def gap() -> Lines:
    source = Source("experiment-gap-auto")
    windows = list(next(iter(source.results.values()))["rank_correlation_on_queries"])
    rows = []
    for name, found in source.results.items():
        cells = [
            f"{w['mean']:.2f} ± {w['std']:.2f}"
            for w in found["rank_correlation_on_queries"].values()
        ]
        sample = f"{found['rank_correlation_on_sample'][-1]:.2f}"
        rows.append([NB201_SHOWN[name.removeprefix("nb201-")], *cells, sample])
    heads = ["", *(f"queries {w}" for w in windows), "1,000 random ones, at the end"]
    return table(heads, rows, source.line)


def speed() -> Lines:
    rows = []
    for proxy in ("auto", "gcn", "transformer"):
        source = Source(f"nb201-{proxy}-batches-of-5")
        seconds = source.results["tasks"]["nb201-cifar100"]["optimizer_seconds"]["mean"]
        what = f"100 queries of CIFAR-100 in batches of five, `{proxy}`"
        rows.append([what, f"{seconds:.1f} s", source.line])
    scale, encodings, loading = Source("scale"), Source("spaces-speed"), Source("tables-speed")
    seconds = scale.results["optimizer_seconds"]["300"]
    memory = f"{seconds:.0f} s, {scale.results['peak_memory_mb']} MB"
    rows.append(["DARTS (about 10¹⁸), 300 queries in batches of five", memory, scale.line])
    slowest = max(v for s in encodings.results.values() for k, v in list(s.items())[4:])
    rows.append(["encoding 10,000 architectures, at most", f"{slowest:.2f} s", encodings.line])
    slowest = max(row["cpu_s"] for row in loading.results.values())
    rows.append(["loading a table, at most", f"{slowest:.2f} s", loading.line])
    functions = Source("nn-spaces")
    deep = functions.results["deep"]
    what = (
        f"finding the {deep['choices']} choices of a function with {deep['networks']:.0e} networks"
    )
    rows.append([what, f"{deep['seconds']:.2f} s, {deep['runs']} runs", functions.line])
    for runtime in ("onnx", "torch"):
        source = Source(f"latency-{runtime}")
        found = source.results["spearman"]
        what = f"rank correlation of predicted and measured latency, {runtime}: mean, least"
        rows.append([what, f"{found['mean']:.2f}, {found['min']:.2f}", source.line])
    return table(["", "", "from"], rows)


def readme() -> Lines:
    found, scored = Source("nb201-auto").results, Source("nb201-auto-with-scores").results
    rows = []
    for name in NB201:
        ours, first = (each["tasks"][f"nb201-{name}"] for each in (found, scored))
        last = ours["100"]
        rows.append([
            NB201_SHOWN[name],
            *(regret(each["mean_regret"]) for each in (first["25"], ours["25"], ours["50"])),
            f"{regret(last['mean_regret'])} ({regret(last['std_regret'])})",
            share(last["optimum_found"]),
        ])  # fmt: skip
    heads = ["25 queries with [scores](docs/scores.md)", "25 queries", "50 queries"]
    return table(["", *heads, "100 queries (std)", "100 queries: found"], rows)


NOISE = ("optiproxy", "gpsampler", "tpe", "evolution", "local")
# Without repeated trainings, and with them.
NOISY = ("not confirmed", "confirmed")


def noise() -> Lines:
    """The true regret of what each method recommends, and p of the difference from the default."""
    sources = {name: Source(f"noise-{name}") for name in NOISE}
    rows = []
    for data, budgets in sources["optiproxy"].content["values"].items():
        for queries in budgets:
            of = [s.content["values"][data][queries] for s in sources.values()]
            plain, confirmed = (
                [np.array(values[label]["regret"]) for values in of] for label in NOISY
            )
            cells = [
                f"{a.mean():.3f}, {b.mean():.3f}" for a, b in zip(plain, confirmed, strict=True)
            ]
            for number, other in enumerate(confirmed[1:], 1):
                cells[number] += f" ({_tested(other - confirmed[0])})"
            rows.append([NB201_SHOWN[data], queries, *cells])
    return table(["", "trainings", *NOISE], rows, *(s.line for s in sources.values()))


def noise_confirmed() -> Lines:
    """The default's recommendation beside the greatest value, and what both are said to be."""
    found = Source("noise-optiproxy")
    heads = ["", "trainings", "greatest value", "not confirmed (p)", "confirmed (p)"]
    rows = []
    for data, budgets in found.results.items():
        for queries, labels in budgets.items():
            plain, confirmed = (labels[label] for label in NOISY)
            regrets = (f"{of['regret']:.3f} ({_p(of['p'])})" for of in (plain, confirmed))
            high = (f"{v:+.3f}" for v in (plain["greatest_too_high"], confirmed["too_high"]))
            best = regret(plain["best_queried"])
            greatest = regret(plain["greatest_regret"])
            rows.append([NB201_SHOWN[data], queries, greatest, *regrets, best, *high])
    return table([*heads, "best queried", "too high: greatest", "confirmed"], rows)


def parallel() -> Lines:
    folder = newest("parallel")
    found = pyarrow.csv.read_csv(folder / "parallel.csv").to_pylist()
    names = ("hours", "speed_up", "queries")
    rows = [
        [
            r["method"],
            r["workers"],
            *(
                f"{r[name]:.{places}f}" if math.isfinite(float(r[name] or math.inf)) else "–"
                for name, places in zip(names, (1, 1, 0), strict=True)
            ),
            share(r["reached"]),
            f"{1000 * r['cpu_seconds']:.1f}",
        ]
        for r in found
    ]
    heads = ["workers", "hours", "times sooner", "trainings", "reached", "CPU ms a proposal"]
    command = json.loads((folder / "parallel.json").read_text())["command"].partition(" --out")[0]
    return table([f"{found[0]['seeds']} seeds", *heads], rows, cited(command, folder))


def scores() -> Lines:
    source = Source("scores-8-channels-1-cells")
    rows = []
    for name, found in source.results.items():
        accuracy = [found[f"{data}: test_accuracy"] for data in NB201]
        published = found.get("cifar10: published")
        beside = "" if published is None else f"{published:.3f}"
        cells = [f"`{name}`", f"{found['cpu_ms_with_build']:.0f}", beside]
        rows.append((-sum(accuracy), [*cells, *(f"{v:.2f}" for v in accuracy)]))
    heads = ["ms with build", "published score", "accuracy on CIFAR-10", "CIFAR-100"]
    ordered = [row for _, row in sorted(rows)]
    return table(["score", *heads, "ImageNet16-120"], ordered, source.line)


TABLES: dict[str, Callable[[], Lines]] = {
    "readme": readme,
    "readme-left-out": lambda: ranks("compare-left-out", at=(10, 25, 50, 100), cited=False),
    "claims": claims.claims,
    "noise": noise,
    "noise-confirmed": noise_confirmed,
    "parallel": parallel,
    "scores": scores,
    "nb201": nb201,
    "nb201-scores": lambda: nb201("nb201-auto-with-scores", (10, 20, 25, 30, 50, 100)),
    "warm-start": warm_start,
    "warm-start-spaces": warm_start_spaces,
    "compare-50": lambda: compared("compare", 50, cited=False),
    "compare-100": lambda: compared("compare", 100, cited=False),
    "compare-ranks": lambda: ranks("compare"),
    "left-out-25": lambda: compared("compare-left-out", 25, cited=False),
    "left-out-100": lambda: compared("compare-left-out", 100, cited=False),
    "left-out-ranks": lambda: ranks("compare-left-out"),
    "12-epochs-25": lambda: compared("compare-12-epochs", 25, cited=False),
    "12-epochs-100": lambda: compared("compare-12-epochs", 100, cited=False),
    "12-epochs-ranks": lambda: ranks("compare-12-epochs"),
    "compare-paper": lambda: compared("compare-paper", 50),
    "compare-gpsampler": lambda: compared("compare-gpsampler", 50, cited=False),
    "compare-gpsampler-ranks": lambda: ranks("compare-gpsampler"),
    "compare-numbers-25": lambda: compared("compare-numbers", 25, cited=False),
    "compare-numbers-50": lambda: compared("compare-numbers", 50, cited=False),
    "compare-numbers-ranks": lambda: ranks("compare-numbers"),
    "compare-energy-25": lambda: compared("compare-energy", 25, cited=False),
    "compare-energy-50": lambda: compared("compare-energy", 50, cited=False),
    "compare-energy-ranks": lambda: ranks("compare-energy"),
    "compare-others-50": lambda: compared("compare-others", 50, cited=False),
    "compare-others-ranks": lambda: ranks("compare-others"),
    "hardware": hardware,
    "hardware-published": lambda: limited("hardware-published", _device, *UNMODELLED),
    "hardware-published-paper": published_method,
    "hardware-hwgpt": lambda: limited("hardware-hwgpt-s", _quantile, *UNMODELLED),
    "hardware-hwgpt-models": lambda: limited("hardware-hwgpt-s", _quantile, *MODELLED),
    "pareto": pareto,
    "low-fidelity": low_fidelity,
    "early-stopping": early_stopping,
    "published": lambda: variants("published", "published-exchanged", first="ImageNet16-120"),
    "few-queries": few_queries,
    "proxies": proxies,
    "climb": lambda: variants("climb", first="candidates"),
    "acquisition": lambda: variants("acquisition", first="a batch is filled by"),
    "initial-sample": lambda: variants(
        "initial-sample", first="initial queries", order=("5", "10", "15", "25")
    ),
    "gap": gap,
    "dead-edges": lambda: models("dead-edges", 100),
    "levels": lambda: models("levels", 30),
    "peaks": peaks,
    "what-limits": what_limits,
    "ranges": ranges,
    "found-spaces": found_spaces,
    "speed": speed,
    **_long_tables.TABLES,
}


def page(text: str) -> str:
    """The page with its tables as the files have them."""

    def made(match: re.Match[str]) -> str:
        return "\n".join([match[1], *TABLES[match[2]](), "<!-- end -->"])

    return re.sub(r"(<!-- table: (\S+) -->)\n.*?<!-- end -->", made, text, flags=re.S)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="write nothing; 1 where they differ")
    parser.add_argument("--out", type=Path, default=_results.ROOT, help="default: in their place")
    options = parser.parse_args()
    differing = [path for path in PAGES if page(path.read_text("utf-8")) != path.read_text("utf-8")]
    for path in differing:
        print(path.relative_to(_results.ROOT))
        if not options.check:
            target = options.out / path.relative_to(_results.ROOT)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(page(path.read_text("utf-8")), "utf-8")
    return int(options.check and bool(differing))


if __name__ == "__main__":
    sys.exit(main())

"""The claims of OptiProxy-NAS's authors, as published and as measured here.

    python benchmarks/claims.py

Prints the table of docs/results.md that `tables.py` writes there. What is published is from the
paper (https://arxiv.org/abs/2509.05656) and from the authors' configuration files; ours is from the
newest result file of each experiment, which is named below the table. A claim that has no result
file has no row.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable

from _pages import NB201, Lines, Source, regret, share, table

IMAGENET = "nb201-imagenet16-120"
Row = tuple[str, str, str, list[Source]]


def queries() -> Row:
    source = Source("nb201-auto")
    found = [source.results["tasks"][f"nb201-{name}"] for name in NB201]
    medians = ", ".join(f"{row['median_queries_to_optimum']:.0f}" for row in found)
    regrets = ", ".join(regret(row["100"]["mean_regret"]) for row in found)
    return (
        "Few queries: NAS-Bench-201's CIFAR-10, CIFAR-100, ImageNet16-120",
        "100, 100, and 100 to 280 queries",
        f"the optimum after {medians} (medians); regret after 100: {regrets}",
        [source],
    )


def hardware() -> Row:
    source = Source("hardware-published-auto")
    row, budget = source.results["all"], source.content["settings"]["budget"]
    return (
        "Limits on hardware: twelve tasks of HW-NAS-Bench",
        "100 and 200 queries, with settings by task",
        f"one default for all: the best in {share(row['optimum_found'])} of the runs of {budget}; "
        f"regret {regret(row['mean_regret_at_half'])} after {budget // 2}, "
        f"{regret(row['mean_regret'])} after {budget}",
        [source],
    )


def low_fidelity() -> Row:
    sources = [Source(f"low-fidelity-nb201-{name}") for name in NB201]
    parts = [100 * s.results["part_of_training_seconds"] for s in sources]
    regrets = [
        " against ".join(regret(s.results[kind]["regret"]) for kind in ("low", "full"))
        for s in sources
    ]
    return (
        "Low fidelity",
        "scores up to epoch 5 of 200; the best few architectures trained in full",
        f"12 of 200 epochs: {min(parts):.0f} to {max(parts):.0f} % of the training seconds of 100 "
        f"full trainings, regret {'; '.join(regrets)} in full",
        sources,
    )


def overhead() -> Row:
    sources = [Source(f"low-fidelity-nb201-{name}") for name in NB201]
    full = [source.results["full"] for source in sources]
    parts = [f"{100 * f['own_seconds'] / f['training_seconds']:.4f}" for f in full]
    scale = Source("scale")
    return (
        "Overhead of the search",
        "0.037 % of the time, 0.25 % of the memory",
        f"{', '.join(parts)} % of the seconds of 100 trainings; peak memory "
        f"{scale.results['peak_memory_mb']} MB in 300 queries of DARTS, torch included",
        [*sources, scale],
    )


def any_proxy() -> Row:
    proxies = Source("experiment-proxies")
    found = proxies.results[IMAGENET]
    names = ("gp", "gcn", "mlp", "transformer")
    alone = [v["100"]["mean_regret"] for n, v in found.items() if ":" in n]
    regrets = ", ".join(f"`{name}` {regret(found[name]['100']['mean_regret'])}" for name in names)
    return (
        "Any differentiable proxy, any encoding",
        "a graph network, the adjacency",
        f"ImageNet16-120, regret after 100: {regrets}; of {len(alone)} models of one encoding "
        f"{regret(min(alone))} to {regret(max(alone))}",
        [proxies],
    )


def initial_sample() -> Row:
    source = Source("experiment-initial-sample")
    found = source.results[IMAGENET]
    regrets = "; ".join(
        f"{n}: {' and '.join(regret(found[n][q]['mean_regret']) for q in ('25', '100'))}"
        for n in sorted(found, key=int)
    )
    return (
        "Size of the initial sample",
        "5 to 50, by task",
        f"ImageNet16-120, regret after 25 and after 100 with {regrets}",
        [source],
    )


def temperature() -> Row:
    source = Source("experiment-climb")
    found = source.results[IMAGENET]
    shown = {"default": "falling", "tau 0.7": "0.7", "tau 0.2": "0.2"}
    regrets = ", ".join(f"{t} {regret(found[n]['50']['mean_regret'])}" for n, t in shown.items())
    return (
        "Temperature of the ascent",
        "falls from 0.7 to 0.2",
        f"ImageNet16-120, regret after 50: {regrets}",
        [source],
    )


ROWS: tuple[Callable[[], Row], ...] = (
    queries, hardware, low_fidelity, overhead, any_proxy, initial_sample, temperature
)  # fmt: skip


def claims() -> Lines:
    rows, lines = [], []
    for row in ROWS:
        try:
            claim, published, ours, sources = row()
        except FileNotFoundError:
            continue
        rows.append((claim, published, ours))
        lines += [source.line for source in sources]
    return table(["claim", "published", "ours"], rows, *dict.fromkeys(lines))


if __name__ == "__main__":
    argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0]).parse_args()
    print("\n".join(claims()))

"""Tables of what long searches withstand and cost."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable
from typing import Any

from _pages import Lines, Source, table

KILLS = {
    "torn": "the journal ends in the middle of a line or a batch",
    "disk": "the disk is full",
    "write": "SIGKILL inside a write",
    "runner": "SIGKILL at a random time",
    "shared": "SIGKILL of one of three processes that search together",
    "worker": "SIGKILL of a worker process in its evaluation",
}


def kills() -> Lines:
    parts = ("torn-disk", "torn", "write", "runner-write", "shared-worker")
    sources = [Source(f"kills-{part}") for part in parts]
    found: dict[str, Counter[str]] = defaultdict(Counter)
    for source in sources:
        for part, row in source.results.items():
            found[part].update(row)
    rows = []
    for part, shown in KILLS.items():
        row = found[part]
        effective = row["points"] - row["finished_before"]
        counts = [row["lost"] + row["missing"], row["doubled"], row["wrong"]]
        rows.append([shown, effective, *counts, row["repeated_too_often"]])
    heads = ["", "points", "results lost", "doubled", "wrong", "evaluations too many"]
    return table(heads, rows, *(source.line for source in sources))


def storages() -> Lines:
    sources = [Source(f"storages-{kind}") for kind in ("journal", "sqlite", "postgresql")]
    rows = [
        [what, row["queries"], row["missing"], row["doubled"], row["wrong"], row["evaluations"]]
        for source in sources
        for what, row in source.results.items()
    ]
    heads = ["", "queries", "missing", "doubled", "wrong", "evaluations"]
    return table(heads, rows, *(source.line for source in sources))


def costs() -> Lines:
    own, asks, searches, stored = (
        Source(name)
        for name in (
            "bookkeeping",
            "long-searches-asks",
            "long-searches-searches",
            "long-searches-stored",
        )
    )
    rows: list[list[Any]] = [
        [f"a query's own bookkeeping, {int(n):,} finished ones in a journal",
         f"{row['cpu_ms']:.0f} ms of CPU", own.line]
        for n, row in own.results["journal"].items()
    ]  # fmt: skip
    rows += [
        [f"a proposal of {row['batch']} after {int(n):,} answers, DARTS",
         f"{max(row['cpu_seconds']):.1f} s of CPU", asks.line]
        for n, row in asks.results["asks"].items()
    ]  # fmt: skip
    rows += [
        [what, f"{row['cpu_seconds']:.1f} s of CPU", searches.line]
        for what, row in searches.results["searches"].items()
    ]
    opened = stored.results["stored"]["journal"]
    cost = f"{opened['cpu_seconds']:.1f} s of CPU, {opened['peak_memory_mb']} MB"
    rows.append([f"opening {opened['queries']:,} queries in a journal", cost, stored.line])
    threads, hours = Source("long-searches-threads"), Source("long-searches-hours")
    count = threads.content["settings"]["threads"]
    rows += [
        [f"{count} threads of an executor against one, evaluations of 1 s, in {kind}",
         f"{row['times_as_fast']:.0f} times as fast, {row['cpu_ms_per_query']:.0f} ms of CPU each",
         threads.line]
        for kind, row in threads.results["threads"].items()
    ]  # fmt: skip
    rows += [
        [f"`hours` of {row['allowed']:g} s, {what.partition(',')[0]}",
         f"ended after {row['took']:.1f} s", hours.line]
        for what, row in hours.results["hours"].items()
    ]  # fmt: skip
    deaths = Source("workers")
    killed, settings = deaths.results["deaths"], deaths.content["settings"]
    rows.append([
        f"{settings['workers']} workers, of which one was killed every {settings['every']:g} s "
        f"for {settings['minutes']:g} minutes ({killed['killed']} deaths): evaluations of others "
        "that were lost, and queries that were lost or doubled",
        f"{killed['healthy_ones_lost']} and {killed['missing'] + killed['doubled']}", deaths.line,
    ])  # fmt: skip
    speed = deaths.results["scaling"]
    rows.append([
        f"{settings['workers']} workers against one, evaluations of 1 s",
        f"{speed['times_as_fast']:.1f} times as fast", deaths.line,
    ])  # fmt: skip
    return table(["", "", "from"], rows)


TABLES: dict[str, Callable[[], Lines]] = {
    "kills": kills, "storages": storages, "long-searches": costs,
}  # fmt: skip

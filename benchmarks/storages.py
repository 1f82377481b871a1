"""Storages: four processes search one study, also while one is killed and the server restarted.

    python benchmarks/storages.py
    python benchmarks/storages.py --storages sqlite --queries 20

Counted in each storage: numbers that no query has, queries whose number or architecture another one
has, queries without the result of their architecture, and evaluations begun. One evaluation may be
repeated, that of the process which is killed. A search ends with an error where one is lost.
"""

from __future__ import annotations

import tempfile
from typing import Any

import _results
import _shared


def measured(kind: str, disturbed: bool, each: int, processes: int, seconds: float) -> Any:
    """Of one storage: `each` queries for each of so many processes."""
    queries = each * processes
    if kind == "postgresql":
        with _shared.postgresql() as server:
            found = _shared.searched(
                server.url, queries, processes=processes, seconds=seconds, kill=disturbed,
                server=server if disturbed else None,
            )  # fmt: skip
    else:
        with tempfile.TemporaryDirectory() as folder:
            place = {"journal": f"{folder}/s.journal", "sqlite": f"sqlite:///{folder}/s.db"}[kind]
            found = _shared.searched(
                place, queries, processes=processes, seconds=seconds, kill=disturbed
            )
    assert not any(found.exits), found.said
    return {name: value for name, value in vars(found).items() if name not in ("exits", "said")}


def main() -> None:
    parser = _results.parser(__doc__)
    kinds = ["journal", "sqlite", "postgresql"]
    parser.add_argument("--storages", nargs="+", choices=kinds, default=kinds)
    parser.add_argument("--processes", type=int, default=4)
    parser.add_argument("--queries", type=int, default=200, help="for each process")
    parser.add_argument("--seconds", type=float, default=0.05, help="of an evaluation")
    arms = ["undisturbed", "one killed"]
    parser.add_argument("--arms", nargs="+", choices=arms, default=arms)
    options = parser.parse_args()
    results: dict[str, Any] = {}
    for kind in options.storages:
        for arm in options.arms:
            disturbed = arm == "one killed"
            restarted = ", server restarted" if disturbed and kind == "postgresql" else ""
            what = f"{kind}, {arm}{restarted}"
            results[what] = measured(
                kind, disturbed, options.queries, options.processes, options.seconds
            )
            print(what, results[what], flush=True)
    label = "storages" if options.storages == kinds else "-".join(["storages", *options.storages])
    print(_results.write(label, options, results))


if __name__ == "__main__":
    main()

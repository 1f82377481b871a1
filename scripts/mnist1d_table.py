"""Makes the packaged table of the embedded task by training and measuring its networks.

    python scripts/mnist1d_table.py [--networks N]

A random sample of the task's networks, without duplicates, is trained with seed 0 at each fidelity,
in two processes; then latencies are measured, for which the machine should be idle. It takes a
quarter of an hour on two cores. The file's metadata hold the date, the machine and the versions.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import time
from concurrent.futures import ProcessPoolExecutor
from datetime import UTC, datetime
from multiprocessing import get_context

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch

import optiproxy
from optiproxy._atomic_write import whole
from optiproxy.tables import mnist1d as shipped
from optiproxy.tasks import mnist1d

FILE = shipped.file()
SEED = 0


def trained(text: str) -> dict[str, float]:
    arch = mnist1d.task().space.architecture(text)
    row = {}
    for epochs in mnist1d.FIDELITIES:
        start = time.perf_counter()
        found = mnist1d.evaluate(arch, seed=SEED, epochs=epochs)
        row |= {f"{name}_{epochs}_epochs": value for name, value in found.items()}
        row[f"train_seconds_{epochs}_epochs"] = round(time.perf_counter() - start, 3)
    return row


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--networks", type=int, default=shipped.NETWORKS)
    options = parser.parse_args()
    space = mnist1d.task().space
    rows = space.canonical(space.random_indices(20 * options.networks, np.random.default_rng(SEED)))
    _, first = np.unique(rows, axis=0, return_index=True)
    archs = space.from_indices(rows[np.sort(first)[: options.networks]])
    texts = [space.to_text(arch) for arch in archs]
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
        rows = []
        for number, row in enumerate(pool.map(trained, texts), 1):
            rows.append(row)
            print(f"trained {number} of {len(texts)}", end="\r", flush=True)
    for number, (arch, row) in enumerate(zip(archs, rows, strict=True), 1):
        row["params"], row["flops"] = mnist1d.params(arch), mnist1d.flops(arch)
        row["latency_ms"] = float(mnist1d.latency_ms(arch))
        print(f"measured {number} of {len(texts)}", end="\r", flush=True)
    columns = {"architecture": texts, **{name: [r[name] for r in rows] for name in rows[0]}}
    made = {
        "date": datetime.now(UTC).date().isoformat(),
        "command": "python scripts/mnist1d_table.py",
        "seed": SEED,
        "machine": f"{platform.machine()}, {os.cpu_count()} cores",
        "python": platform.python_version(),
        "torch": torch.__version__,
        "optiproxy": optiproxy.__version__,
    }
    table = pa.table(columns).replace_schema_metadata({"made": json.dumps(made)})
    with whole(FILE) as unfinished:
        pq.write_table(table, unfinished, compression="zstd")
    print(f"{FILE}: {len(texts)} networks")


if __name__ == "__main__":
    main()

"""``optiproxy init``."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

Kind = Literal[
    "chain", "model", "conditional", "cell", "graph", "darts", "recurrent", "gnn", "pool"
]


def init(folder: Path, /, *, kind: Kind = "chain") -> int:
    """Writes a runnable starter: a space, a training function, metrics, and instructions.

    Writes task.py and README.md; existing files are not changed.

    Args:
        folder: The folder, created if it is missing; its name becomes the task's.
        kind: The kind of search space. chain: independent named choices. model: a function that
            builds a network and asks for its choices. conditional: choices that others activate.
            cell: an operation on every edge. graph: operations on vertices, optional edges. darts:
            a normal and a reduction cell. recurrent: a cell for sequences. gnn: the layers of a
            graph network and their links. pool: a list of networks.
    """
    import re
    import shlex
    from importlib import resources

    from optiproxy._atomic_write import whole
    from optiproxy.errors import invalid

    name = re.sub(r"[^A-Za-z0-9_.+-]+", "-", folder.resolve().name).strip("-") or "task"
    starters = resources.files("optiproxy.cli").joinpath("starters")

    def text(*parts: str) -> str:
        read, spirals = (
            "".join(starters.joinpath(f"{part}.txt").read_text("utf-8") for part in names)
            for names in (parts, ["spirals"])
        )
        return read.replace("@SPIRALS@\n", spirals).replace("@NAME@", name)

    # A model is trained by ours.
    parts = [kind] if kind == "model" else [kind, "training"]
    files = {"task.py": text(*parts), "README.md": text("readme")}
    there = [file for file in files if (folder / file).exists()]
    if there:
        remedy = f"it has {' and '.join(there)} already; give another folder"
        raise invalid("folder", str(folder), remedy)
    folder.mkdir(parents=True, exist_ok=True)
    for file, content in files.items():
        with whole(folder / file) as unfinished:
            unfinished.write_text(content, "utf-8")
        print(folder / file)
    print(f"now: cd {shlex.quote(str(folder))} && optiproxy search task.py:task --budget 20")
    return 0

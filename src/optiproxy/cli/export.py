"""``optiproxy export``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from optiproxy.study import Best, Study


def export(
    name: str,
    /,
    *,
    out: Path,
    storage: str | None = None,
    format: Literal["pytorch", "onnx", "python", "json"] | None = None,
    query: int | None = None,
    input_shape: str | None = None,
    retrain: bool = False,
) -> int:
    """Writes the best architecture of a stored search, or its network.

    The network is the one that its evaluator kept in the query's folder. If there is none, it has
    its initial weights, or is trained again (--retrain).

    Args:
        name: The study's name.
        out: The file to write.
        storage: Where the study is stored; by default ./NAME.journal.
        format: json: the architecture and its metrics. pytorch: the weights, for torch.load; if
            OUT ends in .pt2 the whole network, for torch.export.load. onnx: the whole network.
            python: code that needs torch alone, and its weights beside it in a file ending in .pt.
            By default by the ending of OUT: .json, .onnx, .py, else pytorch.
        query: The number of the query to write, instead of the best one.
        input_shape: The sizes of one input, separated by commas, such as 1,3,32,32; for .pt2, onnx
            and python, if the task has no example input.
        retrain: Trains the network again with the same seed, if none was kept.
    """
    from optiproxy._atomic_write import whole
    from optiproxy.cli._networks import (
        example_input,
        network,
        write_code,
        write_onnx,
        write_program,
    )
    from optiproxy.cli._say import say
    from optiproxy.cli._trust import stored_study
    from optiproxy.errors import invalid

    if not out.parent.is_dir():
        raise invalid("out", str(out), "its folder does not exist; make it first")
    if format is None:
        by_suffix: dict[str, Literal["onnx", "json", "python"]] = {
            ".onnx": "onnx", ".json": "json", ".py": "python",
        }  # fmt: skip
        format = by_suffix.get(out.suffix.lower(), "pytorch")
    if format == "python" and out.suffix != ".py":
        raise invalid("out", str(out), "give a name that ends in .py")
    study = stored_study(name, storage)
    found = _found(study, query)
    if format == "json":
        with whole(out) as unfinished:
            unfinished.write_text(_json(study, found) + "\n", "utf-8")
        say(f"{out}: {found} (query {found.query})")
        return 0
    program = format in ("onnx", "python") or out.suffix == ".pt2"
    if study.task.train is None and not study.task.can_build:
        remedy = "the task builds no network; end the name in .json to write the architecture"
        raise invalid("out", str(out), remedy)
    inputs = example_input(study, input_shape) if program else ()  # Checked before any training.
    state = found.weights_text(retrain=retrain)
    if study.task.train is not None and found.weights is None and not retrain:
        state += " (--retrain trains it)"
    model = network(found, inputs, retrain=retrain)
    written = str(out)
    if not program:
        found.save(out, model, trained=found.weights is not None or retrain)
    elif format == "python":
        written = f"{out} and {write_code(model, inputs, out, found)}"
    else:
        with whole(out) as unfinished:
            (write_onnx if format == "onnx" else write_program)(model, inputs, unfinished)
    say(f"{written}: {found} (query {found.query}), {state}")
    return 0


def _found(study: Study, query: int | None) -> Best:
    from optiproxy.errors import StudyError

    if query is not None:
        return study.evaluated(query)
    if study.best is None:
        raise StudyError(f"study {study.name!r} has found no feasible architecture yet")
    return study.best


def _json(study: Study, found: Best) -> str:
    import json

    from optiproxy._version import __version__
    from optiproxy.study.records import finite

    task = study.task
    return json.dumps(
        {
            "architecture": dict(found.architecture),
            "text": str(found),
            "metrics": finite(found.metrics),
            "feasible": task.feasible(found.metrics),
            "query": found.query,
            "study": {
                "name": study.name,
                "task": task.name,
                "space": task.space.fingerprint,
                "objectives": [o.text for o in task.objectives],
                "constraints": [c.text for c in task.constraints],
                "method": study.method,
                "proxy": study.proxy,
                "seed": study.seed,
                "queries": len(study.queries),
            },
            "optiproxy": __version__,
        },
        indent=2,
        ensure_ascii=False,
        allow_nan=False,
    )

"""A user's program, whose types `tests/test_architecture.py` checks; it is not run."""

import optiproxy as op

space = op.spaces.Chain({"depth": [1, 2, 3], "width": [16, 32]})


def evaluate(arch: op.Architecture) -> dict[str, float]:
    return {"val_accuracy": float(len(arch))}


task = op.Task("mine", space, evaluate, objectives={"val_accuracy": "max"})
opt = op.OptiProxy(task, seed=0)
archs = opt.ask(2)
opt.tell(archs, [evaluate(arch) for arch in archs])
random = op.baselines.RandomSearch(task, seed=0)
study = op.Study(task, method="optiproxy", seed=0)
study.run(10)
table = op.tasks.get("nb201-cifar10").replaced(features="auto")
again = op.OptiProxy(table, constraints="latency_ms<=5", proxy="gp")

"""Tasks as a user would write them, for the tests of the command line."""

import hashlib
import os
import time

import optiproxy as op

space = op.spaces.Chain(
    {"depth": [1, 2, 3, 4], "width": [8, 16, 24, 32], "norm": ["none", "batch"]}
)


def score(arch, seed=0):
    digest = hashlib.sha256(f"{seed}:{arch.to_json()}".encode()).digest()
    return int.from_bytes(digest[:6], "little") / 2**48


def evaluate(arch, seed):
    print("training", dict(arch), flush=True)
    # As a library written in C does. Not by os.system, during which Ctrl-C is ignored.
    os.write(1, b"echo from a library written in C\n")
    time.sleep(float(os.environ.get("MINE_SECONDS", "0")))
    return {"val": score(arch, seed), "test": score(arch), "params": 1000.0 * arch["width"]}


def build(arch):
    from torch import nn

    return nn.Linear(arch["width"], 1)


def train(arch, seed):
    import torch

    torch.manual_seed(seed)
    return build(arch)


OPTIONS = {"objectives": {"val": "max"}, "reported": ["test"], "metrics": ["val", "test", "params"]}
task = op.Task("mine", space, evaluate, build=build, train=train, **OPTIONS)
table = op.Task("table", space, evaluate, in_memory=True, **OPTIONS)


def broken(arch):
    raise ValueError("the data are gone")


failing = op.Task("failing", space, broken, objectives={"val": "max"}, in_memory=True)

"""Graph networks: the space of NAS-Bench-Graph, four layers on one of nine trees, on a graph drawn
here.

    python examples/graph_network.py            # a minute
    python examples/graph_network.py --quick
    optiproxy search examples/graph_network.py:task --budget 40 --workers 2

The graph has 600 vertices in five communities, with features that say little about a vertex alone.
150 of them are labelled, 150 more validate, 300 test. Qin et al., NAS-Bench-Graph, NeurIPS 2022,
https://arxiv.org/abs/2206.09166.

For the real thing:
- `graph`: your features (V, F), edges (2, E) in both directions, labels and split;
- `build`: your width and dropout; or your own layers, such as those of PyTorch Geometric, by the
  names in `arch["op1"]` to `arch["op4"]` on the tree `arch["link"]`;
- `evaluate`: the mean of several seeds: splits this small are noisy. `optiproxy search
  nasbench-graph-cora` has such means of published trainings.
"""

import sys
from functools import cache

import torch
from torch import nn

import optiproxy as op

torch.set_num_threads(1)  # So small a network gains nothing from more.

VERTICES, CLASSES, FEATURES = 600, 5, 16
space = op.spaces.GnnDag()


@cache
def graph():
    """Features (V, F), edges (2, E), labels (V,)."""
    rng = torch.Generator().manual_seed(0)
    label = torch.randint(CLASSES, (VERTICES,), generator=rng)
    near = label[:, None] == label
    chance = torch.where(near, 0.025, 0.004)
    joined = (torch.rand(VERTICES, VERTICES, generator=rng) < chance).triu(1)
    centre = torch.randn(CLASSES, FEATURES, generator=rng)
    x = 0.35 * centre[label] + torch.randn(VERTICES, FEATURES, generator=rng)
    return x, (joined | joined.T).nonzero().T, label


def build(arch):
    return space.build(arch, features=FEATURES, classes=CLASSES, width=32)


def evaluate(arch, seed):
    x, edges, label = graph()
    torch.manual_seed(seed)
    model = build(arch)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.02, weight_decay=5e-4)
    train, val, test = slice(0, 150), slice(150, 300), slice(300, None)
    best, found = float("inf"), {}
    for epoch in range(60):
        model.train()
        optimizer.zero_grad()
        nn.functional.cross_entropy(model(x, edges)[train], label[train]).backward()
        optimizer.step()
        if epoch % 5 == 4:
            model.eval()
            with torch.no_grad():
                logits = model(x, edges)
            loss = nn.functional.cross_entropy(logits[val], label[val]).item()
            if loss < best:
                right = (logits.argmax(1) == label).float()
                best = loss
                found = {"val_loss": loss, "test_accuracy": 100 * right[test].mean().item()}
    return found


task = op.Task(
    "graph-network",
    space,
    evaluate,
    objectives={"val_loss": "min"},
    reported=["test_accuracy"],
    build=build,
    example_input=lambda: graph()[:2],
)


def main(quick):
    budget, seeds = (6, 1) if quick else (40, 2)
    for method in ("random", "optiproxy"):
        best = []
        for seed in range(seeds):
            study = op.Study(task, method=method, seed=seed)
            study.run(budget)
            best.append(study.best)
        loss, test = (
            sum(b.metrics[m] for b in best) / seeds for m in ("val_loss", "test_accuracy")
        )
        print(f"{method}: loss {loss:.3f}, test {test:.1f} %: {seeds} searches of {budget} queries")
    winner = min(best, key=lambda b: b.metrics["val_loss"])
    print(space.picture(winner.architecture))


if __name__ == "__main__":
    main("--quick" in sys.argv)

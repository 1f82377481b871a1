"""The neural proxies: batched equals looped, and what each network has to respect."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from optiproxy import proxies
from optiproxy.encodings import ENCODINGS, corners
from optiproxy.encodings import make as make_encoder
from optiproxy.proxies import ensemble, gcn, transformer
from optiproxy.proxies.ensemble import (
    HINGE_MARGIN,
    HINGE_WEIGHT,
    PAIRED,
    Training,
    Weights,
    hinge,
    linear,
    linear_weights,
    train,
)
from optiproxy.proxies.gcn import GCNEnsemble
from optiproxy.proxies.mlp import INPUT_SCALE, MLPEnsemble
from optiproxy.proxies.transformer import TransformerEnsemble
from optiproxy.spaces import NB201_OPERATIONS, Cell, Chain

CELL = Cell(nodes=4, operations=NB201_OPERATIONS)
GRAPHS = (GCNEnsemble, TransformerEnsemble)


def rows(n: int, seed: int = 0) -> Tensor:
    indices = CELL.random_indices(n, np.random.default_rng(seed))
    return corners(CELL, torch.from_numpy(indices))


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def network(w: Weights, x: Tensor) -> Tensor:
    """A plain network of one hidden layer: x (B, features) → (K, B, M)."""
    members = len(w["in.w"])
    return linear(w, "out", F.relu(linear(w, "in", x.expand(members, *x.shape))))


def initial(members: int) -> Weights:
    draws = generator()
    return linear_weights("in", members, 3, 8, draws) | linear_weights("out", members, 8, 2, draws)


# ---- what they share ----


def test_linear_is_each_members_own() -> None:
    w = linear_weights("layer", 3, 4, 5, generator())
    z = torch.rand(3, 6, 2, 4, generator=generator())
    out = linear(w, "layer", z)
    assert out.shape == (3, 6, 2, 5)
    for k in range(3):
        assert torch.allclose(out[k], z[k] @ w["layer.w"][k] + w["layer.b"][k], atol=1e-6)
    assert max(float(v.abs().max()) for v in w.values()) <= 1 / math.sqrt(4)


def test_hinge_equals_the_loop_over_pairs() -> None:
    draws = generator()
    out, y = torch.randn(2, 6, 2, generator=draws), torch.randn(6, 2, generator=draws)
    y[1] = y[0]  # a tie is no pair
    total, pairs = torch.zeros(2), 0
    for i in range(6):
        for j in range(6):
            for m in range(2):
                if y[i, m] > y[j, m]:
                    pairs += 1
                    total += F.relu(HINGE_MARGIN - (out[:, i, m] - out[:, j, m]))
    assert pairs == 2 * (15 - 1)
    assert torch.allclose(hinge(out, y, torch.ones(1, 6)), (total / pairs).sum())
    assert float(hinge(out, torch.zeros(6, 2), torch.ones(1, 6))) == 0


def test_many_architectures_are_ranked_a_part_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    ranked: list[int] = []

    def counted(out: Tensor, y: Tensor, learns: Tensor) -> Tensor:
        ranked.append(len(y))
        return hinge(out, y, learns)

    monkeypatch.setattr(ensemble, "hinge", counted)
    draws, many = generator(1), PAIRED + 50
    x, y = torch.randn(many, 3, generator=draws), torch.randn(many, 2, generator=draws)
    training = Training(epochs=4, learning_rate=1e-2, weight_decay=1e-2)
    for count in (PAIRED, many):
        train(initial(3), lambda w, n=count: network(w, x[:n]), y[:count], training)
    assert ranked[:4] == [PAIRED] * 4
    assert ranked[4:] == [many // 2] * 4


def test_members_do_not_influence_each_other() -> None:
    draws = generator(1)
    x, y = torch.randn(20, 3, generator=draws), torch.randn(20, 2, generator=draws)
    training = Training(epochs=30, learning_rate=1e-2, weight_decay=1e-2)
    whole = train(initial(3), lambda w: network(w, x), y, training)
    for k in range(3):
        alone = {name: w[k : k + 1] for name, w in initial(3).items()}
        alone = train(alone, lambda w: network(w, x), y, training)
        assert torch.allclose(network(alone, x)[0], network(whole, x)[k], atol=1e-4)


def test_training_is_adamw_with_steps() -> None:
    """The optimiser by hand against that of torch, step for step."""
    draws = generator(1)
    x, y = torch.randn(20, 3, generator=draws), torch.randn(20, 2, generator=draws)
    training = Training(epochs=25, learning_rate=1e-2, weight_decay=0.1)
    ours = train(initial(2), lambda w: network(w, x), y, training)
    theirs = {name: w.requires_grad_() for name, w in initial(2).items()}
    optimizer = torch.optim.AdamW(theirs.values(), lr=1e-2, weight_decay=0.1)
    schedule = torch.optim.lr_scheduler.StepLR(optimizer, step_size=10, gamma=0.9)
    for _ in range(25):
        out = network(theirs, x)
        loss = ((out - y) ** 2).mean((1, 2)).sum() + HINGE_WEIGHT * hinge(
            out, y, torch.ones(1, len(y))
        )
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
    for name, w in theirs.items():
        assert torch.allclose(ours[name], w, atol=1e-5), name


def test_training_leaves_its_start_alone() -> None:
    start = initial(2)
    x, y = torch.randn(9, 3, generator=generator()), torch.zeros(9, 2)
    train(start, lambda w: network(w, x), y, Training(5, 1e-2, 0.0))
    assert all(torch.equal(start[name], w) for name, w in initial(2).items())


@pytest.mark.slow
@pytest.mark.parametrize("make", [*GRAPHS, MLPEnsemble])
def test_another_seed_is_another_fit(make: type[MLPEnsemble]) -> None:
    y = torch.randn(20, 1, generator=generator())
    means = []
    for seed in (1, 2):
        proxy = make(CELL, seed=seed)
        proxy.fit(rows(20), y)
        means.append(proxy.predict(rows(20))[0])
    assert not torch.equal(*means)


@pytest.mark.parametrize("encoding", ENCODINGS.names())
def test_a_network_on_one_encoding_reads_it_alone(encoding: str) -> None:
    proxy = proxies.get(f"mlp:{encoding}")(CELL)
    (read,) = proxy._inputs(rows(7))
    encoded = [part.flatten(1) for part in make_encoder(encoding, CELL).relaxed(rows(7))]
    assert torch.equal(read, INPUT_SCALE * torch.cat(encoded, 1))


# ---- graphs ----


@pytest.mark.parametrize("make", GRAPHS)
def test_a_graph_has_no_order_of_vertices(make: type[GCNEnsemble]) -> None:
    """A network that pools over vertices can't tell a renumbered graph from the first."""
    proxy = make(CELL)
    proxy.fit(rows(20), torch.randn(20, 1, generator=generator()))
    a, x = proxy._read(rows(5, seed=3))
    order = torch.randperm(a.shape[-1], generator=generator(4))
    outputs = []
    for adjacency, vertices in ((a, x), (a[:, order][:, :, order], x[:, order])):
        if make is GCNEnsemble:
            graph = gcn._directions(adjacency)
            outputs.append(proxy._outputs(proxy._weights, (graph, vertices)))
        else:
            loops = torch.eye(a.shape[-1]).expand_as(adjacency)
            graph = torch.stack([adjacency, adjacency.transpose(1, 2), loops])
            outputs.append(proxy._outputs(proxy._weights, (graph, vertices)))
    assert torch.allclose(outputs[0], outputs[1], atol=1e-4)


@pytest.mark.parametrize("make", GRAPHS)
def test_one_graph_for_all_equals_a_graph_for_each(make: type[GCNEnsemble]) -> None:
    """Where no choice touches an edge, the adjacency is shared; that is a shortcut alone."""
    proxy = make(CELL)
    proxy.fit(rows(20), torch.randn(20, 1, generator=generator()))
    graph, x = proxy._inputs(rows(5))
    if make is GCNEnsemble:
        assert graph.ndim == 3
        each = graph[:, None].expand(-1, 5, -1, -1)
        pair = [proxy._outputs(proxy._weights, (g, x)) for g in (graph, each)]
    else:
        assert graph.shape[1] == 1
        pair = [
            proxy._outputs(proxy._weights, (g, x)) for g in (graph, graph.expand(-1, 5, -1, -1))
        ]
    assert torch.allclose(*pair, atol=1e-5)


def test_gcn_equals_the_plain_formula() -> None:
    """Two directed convolutions as published, a member and an architecture at a time."""
    p, proxy = rows(4), GCNEnsemble(CELL)
    proxy.fit(rows(20), torch.randn(20, 1, generator=generator()))
    adjacency, vertices = proxy._read(p)
    w, out = proxy._weights, proxy._outputs(proxy._weights, proxy._inputs(p))
    for k in range(gcn.MEMBERS):
        for b in range(4):
            h = vertices[b]
            for layer in range(gcn.LAYERS):
                sides = []
                for side, a in enumerate((adjacency[b], adjacency[b].T)):
                    a = a + torch.eye(len(a))
                    a = a / a.sum(1, keepdim=True)
                    member = 2 * k + side
                    weight, bias = (w[f"{layer}.directions.{key}"][member] for key in "wb")
                    sides.append(F.relu(a @ (h @ weight + bias)))
                weight, bias = (w[f"{layer}.join.{key}"][k] for key in "wb")
                h = F.layer_norm(torch.cat(sides, 1) @ weight + bias, (gcn.HIDDEN,))
            plain = F.gelu(h.mean(0)) @ w["out.w"][k] + w["out.b"][k]
            assert torch.allclose(out[k, b], plain[0], atol=1e-4)


def test_attention_equals_the_loop_over_heads() -> None:
    k, b, n, heads = 2, 3, 5, transformer.HEADS
    d = transformer.HIDDEN // heads
    draws = generator()
    qkv = torch.randn(k, b, n, 3 * heads * d, generator=draws)
    bias = torch.randn(k, 1, heads, n, n, generator=draws)
    out = transformer._attend(qkv, bias)
    query, key, value = (part.reshape(k, b, n, heads, d) for part in qkv.split(heads * d, -1))
    for i in range(k):
        for j in range(b):
            for h in range(heads):
                logits = query[i, j, :, h] @ key[i, j, :, h].T / math.sqrt(d) + bias[i, 0, h]
                plain = logits.softmax(-1) @ value[i, j, :, h]
                assert torch.allclose(out[i, j, :, h * d : (h + 1) * d], plain, atol=1e-5)


def test_transformer_reads_the_edges() -> None:
    proxy = TransformerEnsemble(CELL)
    proxy.fit(rows(20), torch.randn(20, 1, generator=generator()))
    graph, x = proxy._inputs(rows(5))
    cut = graph * torch.tensor([0.0, 0.0, 1.0])[:, None, None, None]
    with_edges, without = (proxy._outputs(proxy._weights, (g, x)) for g in (graph, cut))
    assert float((with_edges - without).abs().max()) > 1e-2


# ---- flat inputs ----


def test_mlp_counts_options_where_choices_share_them() -> None:
    space = Chain({"a": [1, 2], "b": ["p", "q", "r"], "c": [1, 2], "d": ["x", "y"]})
    indices = torch.tensor([[0, 2, 0, 1], [1, 0, 0, 0]])
    (x,) = MLPEnsemble(space)._inputs(corners(space, indices))
    counts = x[:, 9:] / x.max(1, keepdim=True).values
    assert x.shape == (2, 9 + 3)  # one-hot, and the counts of [1, 2] padded to three options
    assert torch.equal(counts > 0, torch.tensor([[True, False, False], [True, True, False]]))
    assert float(x[0, 9]) == pytest.approx(2 * float(x[1, 9]))
    alone = Chain({"a": [1, 2], "b": ["p", "q", "r"]})
    (x,) = MLPEnsemble(alone)._inputs(corners(alone, torch.tensor([[0, 1]])))
    assert x.shape == (1, 5)


def test_mlp_learns_what_an_option_is_worth_wherever_it_stands() -> None:
    """One edge has never had the good operation; that it is good there too is seen elsewhere."""
    indices = torch.from_numpy(CELL.random_indices(60, np.random.default_rng(0)))
    indices[:, 0][indices[:, 0] == 3] = 0
    p = corners(CELL, indices)
    y = p[:, :, 3].sum(1, keepdim=True)
    proxy = MLPEnsemble(CELL)
    proxy.fit(p, (y - y.mean()) / y.std())
    pair = torch.tensor([[3, 0, 1, 2, 4, 0], [0, 0, 1, 2, 4, 0]])
    mean, _ = proxy.predict(corners(CELL, pair))
    assert (
        float(mean[0] - mean[1]) > 0.25
    )  # one operation more is worth 1; ten seeds had 0.42 to 0.75

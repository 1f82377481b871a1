"""A small GPT: depth, hidden size, and heads and MLP ratio of each layer, under a limit on
parameters.

    python examples/small_gpt.py            # six minutes
    python examples/small_gpt.py --quick
    optiproxy search examples/small_gpt.py:task --budget 40 --workers 2
    optiproxy search examples/small_gpt.py:pruning --budget 40

It is trained on text that ships with Python, the topics of its `help()`. The second part prunes a
trained GPT by a `score_func(model)` without further training, as pruning tools call it.

For the real thing:
- `TEXT`: your tokens, and batches from your loader in `train_and_test`; more steps, a schedule, a
  GPU;
- `gpt`: your options; any `nn.Module` may be built of them, one of `transformers` too;
- `constraints`: `flops`, `memory_mb`, `weights_mb`, or a measured latency (`--measure onnx`);
- `score_func`: your evaluation, such as the perplexity on a calibration set.
"""

import pydoc_data.topics
import sys

import torch
from torch import nn

import optiproxy as op

torch.set_num_threads(1)  # So small a network gains nothing from more.

TEXT = "\n".join(pydoc_data.topics.topics.values()).encode()
TOKENS = torch.tensor([b % 128 for b in TEXT])
LENGTH = 64


class Attention(nn.Module):
    def __init__(self, width, heads):
        super().__init__()
        self.heads = heads
        self.query, self.key, self.value, self.out = (nn.Linear(width, width) for _ in range(4))

    def forward(self, x):
        q, k, v = (
            layer(x).unflatten(2, (self.heads, -1)).transpose(1, 2)
            for layer in (self.query, self.key, self.value)
        )
        y = nn.functional.scaled_dot_product_attention(q, k, v, is_causal=True)
        return self.out(y.transpose(1, 2).flatten(2))


class Block(nn.Module):
    def __init__(self, width, heads, ratio):
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.attention = Attention(width, heads)
        self.mlp = nn.Sequential(
            nn.Linear(width, ratio * width), nn.GELU(), nn.Linear(ratio * width, width)
        )

    def forward(self, x):
        x = x + self.attention(self.norm1(x))
        return x + self.mlp(self.norm2(x))


class GPT(nn.Module):
    def __init__(self, width, blocks):
        super().__init__()
        self.token, self.place = nn.Embedding(128, width), nn.Embedding(LENGTH, width)
        self.blocks = nn.ModuleList(blocks)
        self.norm, self.head = nn.LayerNorm(width), nn.Linear(width, 128, bias=False)

    def forward(self, tokens):
        x = self.token(tokens) + self.place.weight[: tokens.shape[1]]
        for block in self.blocks:
            x = block(x)
        return self.head(self.norm(x))


def gpt(choose):
    width = choose("hidden", [32, 48, 64, 96])
    blocks = [
        Block(width, choose(f"heads{i}", [1, 2, 4, 8]), choose(f"mlp_ratio{i}", [1, 2, 4]))
        for i in range(choose("depth", [1, 2, 3, 4]))
    ]
    return GPT(width, blocks)


def batch(part, generator, size=32):
    first, last = {"train": (0, 0.9), "val": (0.9, 1.0)}[part]
    first, last = int(first * len(TOKENS)), int(last * len(TOKENS)) - LENGTH - 1
    starts = torch.randint(first, last, (size, 1), generator=generator)
    return TOKENS[starts + torch.arange(LENGTH + 1)]


def loss_of(model, tokens):
    logits = model(tokens[:, :-1])
    return nn.functional.cross_entropy(logits.flatten(0, 1), tokens[:, 1:].flatten())


def score_func(model):
    """Validation loss in bits a byte."""
    model.eval()
    tokens = batch("val", torch.Generator().manual_seed(0), size=128)
    with torch.no_grad():
        return loss_of(model, tokens).item() / 0.6931


def train_and_test(model, *, seed=0, steps=120):
    generator = torch.Generator().manual_seed(seed)
    optimizer = torch.optim.AdamW(model.parameters(), lr=4e-3)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 4e-3, total_steps=steps)
    model.train()
    for _ in range(steps):
        optimizer.zero_grad()
        loss_of(model, batch("train", generator)).backward()
        optimizer.step()
        schedule.step()
    return {"bits_a_byte": score_func(model)}


task = op.Task(
    "small-gpt",
    gpt,
    train_and_test,
    objectives={"bits_a_byte": "min"},
    constraints={"params": "<= 120000"},
    example_input=lambda: TOKENS[None, :LENGTH],
)


def pruning(steps=300):
    """A trained GPT, made smaller: whole blocks, heads, and the inner width of each MLP."""
    torch.manual_seed(0)
    model = GPT(64, [Block(64, 4, 4) for _ in range(4)])
    train_and_test(model, steps=steps)
    print(f"trained: {score_func(model):.3f} bits a byte", file=sys.stderr)
    space = op.nn.searchable(
        model,
        {
            "blocks": {"depth": [3, 4]},
            "blocks.*.attention": {"num_heads": [1, 2, 3, 4]},
            "blocks.*.mlp.0": {"out_features": [0.25, 0.5, 0.75, 1.0]},
        },
        example_input=TOKENS[None, :LENGTH],
    )
    return op.Task(
        "pruned-gpt",
        space,
        score_func,
        objectives={"bits_a_byte": "min"},
        constraints={"params": "<= 75%"},
        example_input=lambda: TOKENS[None, :LENGTH],
    )


def main(quick):
    for task_, budget, seeds in ((task, 20, 1), (pruning(60 if quick else 300), 40, 2)):
        if quick:
            budget, seeds = 3, 1
        for method in ("random", "optiproxy"):
            best = []
            for seed in range(seeds):
                study = op.Study(task_, method=method, seed=seed)
                study.run(budget)
                best.append(study.best)
            mean = sum(b.metrics["bits_a_byte"] for b in best) / seeds
            print(f"{task_.name}, {method}: {mean:.3f} bits a byte, {seeds} x {budget} queries")
        winner = min(best, key=lambda b: b.metrics["bits_a_byte"])
        found = {name: option for name, option in winner.architecture.items() if option is not None}
        print(f"{found}: {winner.metrics['params']:,.0f} parameters")


if __name__ == "__main__":
    main("--quick" in sys.argv)

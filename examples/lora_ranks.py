"""LoRA: the rank, and what is adapted, in each layer of a transformer, under a limit on what is
trained.

    pip install peft transformers
    python examples/lora_ranks.py            # two minutes
    python examples/lora_ranks.py --quick
    optiproxy search examples/lora_ranks.py:task --budget 40 --workers 2

A small Llama, built from its configuration, is trained on the topics of Python's `help()` and then
adapted to Python code. Hu et al., LoRA, https://arxiv.org/abs/2106.09685; PEFT builds the
adapters.

For the real thing:
- `llama` and `pretrained`: `AutoModelForCausalLM.from_pretrained(...)`, once in each process;
- `TARGETS`: names of the layers in your model (`model.named_modules()`);
- `batch`: your instruction data; more steps, `bfloat16`, `--gpus auto`;
- `constraints`: what your server may keep of each adapter.
"""

import argparse
import inspect
import pydoc_data.topics
import sys
from functools import cache

import torch
from peft import LoraConfig, get_peft_model
from transformers import LlamaConfig, LlamaForCausalLM

import optiproxy as op

torch.set_num_threads(1)  # So small a network gains nothing from more.

LAYERS, LENGTH = 4, 48
ATTENTION = ["self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj", "self_attn.o_proj"]
MLP = ["mlp.gate_proj", "mlp.up_proj", "mlp.down_proj"]
TARGETS = {
    "query-value": ATTENTION[::2],
    "attention": ATTENTION,
    "mlp": MLP,
    "all": ATTENTION + MLP,
}
PROSE = "\n".join(pydoc_data.topics.topics.values())
CODE = inspect.getsource(argparse)
TOKENS = {
    n: torch.tensor([ord(c) % 128 for c in t]) for n, t in {"prose": PROSE, "code": CODE}.items()
}


def llama():
    config = LlamaConfig(
        vocab_size=128, hidden_size=48, intermediate_size=96, num_hidden_layers=LAYERS,
        num_attention_heads=4, max_position_embeddings=LENGTH,
    )  # fmt: skip
    return LlamaForCausalLM(config)


def network(choose):
    ranks = {}
    for i in range(LAYERS):
        rank = choose(f"rank{i}", [0, 1, 2, 4, 8, 16])
        if rank:
            targets = choose(f"targets{i}", TARGETS)
            ranks |= {f"model.layers.{i}.{target}": rank for target in targets}
    model = llama()
    model.requires_grad_(False)
    if not ranks:
        return model
    scales = {name: 2 * rank for name, rank in ranks.items()}
    config = LoraConfig(target_modules=list(ranks), rank_pattern=ranks, alpha_pattern=scales)
    return get_peft_model(model, config)


def batch(text, part, generator, size=16):
    tokens = TOKENS[text]
    middle = int(0.8 * len(tokens))
    first, last = (0, middle) if part == "train" else (middle, len(tokens))
    starts = torch.randint(first, last - LENGTH, (size, 1), generator=generator)
    return tokens[starts + torch.arange(LENGTH)]


def train(model, text, steps, rate, generator):
    optimizer = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=rate)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, rate, total_steps=steps)
    model.train()
    for _ in range(steps):
        tokens = batch(text, "train", generator)
        optimizer.zero_grad()
        model(input_ids=tokens, labels=tokens).loss.backward()
        optimizer.step()
        schedule.step()


@cache
def pretrained():
    """The weights of the model that is adapted."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = llama()
        train(model, "prose", 250, 4e-3, torch.Generator().manual_seed(0))
    return model.state_dict()


def adapt_and_test(model, *, seed=0):
    weights = pretrained()
    with torch.no_grad():
        for name, tensor in model.state_dict().items():
            if "lora_" not in name:
                original = name.removeprefix("base_model.model.").replace(".base_layer", "")
                tensor.copy_(weights[original])
    if any(p.requires_grad for p in model.parameters()):
        train(model, "code", 60, 1e-2, torch.Generator().manual_seed(seed))
    model.eval()
    tokens = batch("code", "val", torch.Generator().manual_seed(0), size=128)
    with torch.no_grad():
        return {"val_loss": model(input_ids=tokens, labels=tokens).loss.item()}


space = op.space_of(network)


@cache
def ends():
    """Inputs and outputs of each linear layer: what a rank costs there."""
    layers = llama().named_modules()
    return {n: m.in_features + m.out_features for n, m in layers if isinstance(m, torch.nn.Linear)}


def trained_parameters(arch):  # counted for every candidate, so that no network is built for it
    return sum(
        arch[f"rank{i}"] * ends()[f"model.layers.{i}.{target}"]
        for i in range(LAYERS)
        if arch[f"rank{i}"]
        for target in TARGETS[arch[f"targets{i}"]]
    )


task = op.Task(
    "lora-ranks",
    space,
    adapt_and_test,
    objectives={"val_loss": "min"},
    constraints={"trained_parameters": "<= 8000"},
    metrics=[op.Metric("trained_parameters", trained_parameters, exact=True)],
)


def main(quick):
    budget, seeds = (3, 1) if quick else (20, 2)
    nothing = space.architecture({f"rank{i}": 0 for i in range(LAYERS)})
    print(f"without adapters: {task.query(nothing).metrics['val_loss']:.3f}")
    same = dict.fromkeys((f"rank{i}" for i in range(LAYERS)), 2)
    same |= dict.fromkeys((f"targets{i}" for i in range(LAYERS)), "all")
    print(f"rank 2 everywhere: {task.query(space.architecture(same)).metrics['val_loss']:.3f}")
    for method in ("random", "optiproxy"):
        best = []
        for seed in range(seeds):
            study = op.Study(task, method=method, seed=seed)
            study.run(budget)
            best.append(study.best)
        mean = sum(b.metrics["val_loss"] for b in best) / seeds
        print(f"{method}: {mean:.3f}, the mean of {seeds} searches of {budget} queries")
    winner = min(best, key=lambda b: b.metrics["val_loss"])
    print({name: option for name, option in winner.architecture.items() if option is not None})
    print(winner.metrics)


if __name__ == "__main__":
    main("--quick" in sys.argv)

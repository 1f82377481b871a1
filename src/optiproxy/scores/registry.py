"""The names of all scores. A new one is one function and a line here, or an entry point."""

from __future__ import annotations

from optiproxy.registry import Registry

SCORES = Registry(
    "score",
    {
        "parameters": "optiproxy.scores.counts:parameters",
        "flops": "optiproxy.scores.counts:flops",
        "synflow": "optiproxy.scores.synaptic_flow:synflow",
        "logsynflow": "optiproxy.scores.synaptic_flow:logsynflow",
        "naswot": "optiproxy.scores.activations:naswot",
        "jacob_cov": "optiproxy.scores.jacobian:jacob_cov",
        "grad_norm": "optiproxy.scores.gradients:grad_norm",
        "snip": "optiproxy.scores.gradients:snip",
        "grasp": "optiproxy.scores.gradients:grasp",
    },
    group="optiproxy.scores",
)

# What ``features="auto"`` computes: docs/scores.md compares all of them by rank correlation with
# accuracy and by time.
AUTO = ("parameters", "flops", "logsynflow", "naswot")

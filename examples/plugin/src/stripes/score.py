"""A score of an untrained network; higher is better."""

from optiproxy.scores.base import forward, score


@score
def output_spread(model, batch):
    """How far the outputs for a batch are apart, with the first weights."""
    return float(forward(model, batch).detach().std(0).mean())

"""Costs that are counted, not measured: the same on every machine."""

from __future__ import annotations

from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from optiproxy.hardware._modes import Inputs, as_tuple, deployed


def count_parameters(module: nn.Module) -> int:
    """The number of parameters, shared ones once; buffers (running means) are not counted."""
    return sum(parameter.numel() for parameter in module.parameters())


def count_flops(module: nn.Module, example_input: Inputs) -> int:
    """The floating-point operations of one forward pass in evaluation mode.

    A multiply-add counts as two operations (many papers count it as one and call the same number
    MACs or MAdds). Counted are convolutions, matrix products and attention, which is what
    `torch.utils.flop_counter` knows; additions, activations, normalisation and pooling are free.

    Args:
        module: The network; it is left as it was.
        example_input: Its input, or a tuple of several. For the cost of one example, a batch of 1.
    """
    counter = FlopCounterMode(display=False)
    with deployed(module), counter:
        module(*as_tuple(example_input))
    return int(counter.get_total_flops())

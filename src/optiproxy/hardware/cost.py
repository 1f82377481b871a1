"""Costs that are counted, not measured: the same on every machine."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode
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
    counter = _Counter()
    # In inference mode torch shows convolutions to nobody.
    with torch.inference_mode(False), deployed(module), counter:
        module(*as_tuple(example_input))
    return counter.total


class _Counter(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Sums up torch's formulas; its own counter takes ten times as long, to report by module."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.total: int = 0
        self._formulas = FlopCounterMode(display=False).flop_registry

    def __torch_dispatch__(
        self,
        func: Callable[..., Any],
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        out = func(*args, **(kwargs or {}))
        formula = self._formulas.get(getattr(func, "overloadpacket", None))
        if formula is not None:
            self.total += int(formula(*args, **(kwargs or {}), out_val=out))
        return out

"""NASWOT: do inputs switch the network's activations differently?

Mellor et al., Neural Architecture Search without Training, ICML 2021,
https://arxiv.org/abs/2006.04647.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from optiproxy.scores.base import Batch, score

# The paper's networks have ReLUs alone; of the others the sign of the input tells the same.
ACTIVATIONS = frozenset(
    getattr(torch.ops.aten, name + suffix)
    for name in ("relu", "leaky_relu", "hardtanh", "hardswish", "elu", "celu", "gelu", "silu",
                 "mish", "_prelu_kernel", "threshold", "softplus", "tanh", "sigmoid", "hardsigmoid")
    for suffix in ("", "_")
    if hasattr(torch.ops.aten, name + suffix)
)  # fmt: skip


@score
def naswot(model: nn.Module, batch: Batch) -> float:
    """``log det(K + 1)``, where K counts the activations that two inputs switch alike; (B, B).

    The unit on the diagonal, which the paper has not, gives equal inputs a finite value, ``log(1 +
    B N)`` for N activations. A network without activations has 0.
    """
    with torch.no_grad(), _Codes(len(batch[0])) as codes:
        model(*batch)
    identity = torch.eye(len(codes.kernel), dtype=torch.float64)
    return float(torch.linalg.slogdet(codes.kernel + identity).logabsdet)


class _Codes(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Compares the signs of what enters the activations, example by example.

    Args:
        examples: B. What is not grouped by example, (multiple of B, …), is left out.
    """

    def __init__(self, examples: int) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.kernel = torch.zeros(examples, examples, dtype=torch.float64)

    def __torch_dispatch__(
        self,
        func: Callable[..., Any],
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        if getattr(func, "overloadpacket", None) in ACTIVATIONS:
            self._add(args[0])
        return func(*args, **(kwargs or {}))

    def _add(self, x: Tensor) -> None:
        examples = len(self.kernel)
        if x.ndim == 0 or x.numel() == 0 or len(x) % examples:
            return
        signs = (x > 0).reshape(examples, -1).float().mul_(2).sub_(1)  # (B, activations)
        # Of n activations that differ in d, the products of signs sum up to n - 2 d.
        self.kernel += ((signs @ signs.T + signs.shape[1]) / 2).cpu()

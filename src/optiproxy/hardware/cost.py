"""Costs that are counted, not measured: the same on every machine."""

from __future__ import annotations

import math
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

import torch
from torch import nn
from torch._ops import HigherOrderOperator
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils import _pytree as pytree
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import FlopCounterMode

from optiproxy._example_input import run
from optiproxy.errors import MeasurementFailed, invalid
from optiproxy.hardware._modes import deployed, unfused_attention
from optiproxy.hardware.lazy import has_lazy_layers, shaped


def count_parameters(module: nn.Module, example_input: Any | None = None) -> int:
    """The number of parameters, shared ones once; buffers (running means) are not counted.

    Args:
        module: The network; it is left as it was.
        example_input: Its input, a tuple of several, or a mapping of keywords; needed if layers
            are lazy.

    Raises:
        InvalidValueError: The network has lazy layers, and there is no input.
    """
    if example_input is not None:
        module = shaped(module, example_input)
    elif has_lazy_layers(module):
        raise invalid(
            "count_parameters: example_input",
            None,
            "give one: the network has lazy layers, which have no shape before their first input",
        )
    return sum(parameter.numel() for parameter in module.parameters())


def count_flops(module: nn.Module, example_input: Any) -> int:
    """The floating-point operations of one forward pass in evaluation mode.

    A multiply-add counts as two operations (many papers count it as one and call the same number
    MACs or MAdds). Counted are convolutions and products of matrices and vectors, also those of
    attention and of recurrent layers, by the formulas of `torch.utils.flop_counter` and a few more;
    additions, activations, normalisation and pooling are free. Operators that call functions, such
    as flex attention, count by the operations within, of `torch.cond` the branch that costs more.

    Args:
        module: The network; it is left as it was.
        example_input: Its input, a tuple of several, or a mapping of keywords. For the cost of one
            example, a batch of 1.

    Raises:
        MeasurementFailed: It has a kernel of its own, such as one of Triton's.
    """
    module = shaped(module, example_input)
    counter = _Counter()
    with _countable(module), counter:
        run(module, example_input)
    return counter.total


def count_costs(module: nn.Module, example_input: Any) -> dict[str, float]:
    """What a network needs, counted in one forward pass in evaluation mode.

    A network and an input on the ``meta`` device are counted without being computed.

    Args:
        module: The network; it is left as it was.
        example_input: Its input, a tuple of several, or a mapping of keywords, of a batch of 1. An
            input need not be a tensor; memory is that of tensors, also in lists and mappings,
            without sparse ones (a sparse buffer counts as a full one).

    Returns:
        ``params``; ``flops``, see `count_flops`; ``activations``, the number of values that
        convolutions and matrix products put out (Radosavovic et al., CVPR 2020,
        https://arxiv.org/abs/2003.13678); ``weights_mb``, parameters and buffers in MB (10^6
        bytes); ``memory_mb``, these and the largest sum of tensors that are in use at a time: what
        torch allocates, without the workspace of single operations.

    Raises:
        MeasurementFailed: It has a kernel of its own, such as one of Triton's.
    """
    module = shaped(module, example_input)
    counter = _Counter()
    own = (*module.parameters(), *module.buffers())
    dense = (tensor for tensor in own if tensor.layout is torch.strided)
    counter.known = {tensor.untyped_storage()._cdata for tensor in dense}
    for part in pytree.tree_leaves(example_input):
        if isinstance(part, torch.Tensor):
            counter.hold(part)
    with _countable(module), counter:
        run(module, example_input)
    weights = sum(tensor.numel() * tensor.element_size() for tensor in own)
    return {
        "params": count_parameters(module),
        "flops": counter.total,
        "activations": counter.activations,
        "weights_mb": weights / 1e6,
        "memory_mb": (weights + counter.most) / 1e6,
    }


@contextmanager
def _countable(module: nn.Module) -> Iterator[None]:
    """Evaluation mode by operations that `_Counter` has formulas for, the same on every device."""
    # Torch compiles nothing while operations are counted, and raises an error where it must, as in
    # flex attention. Before torch 2.6 there is no such setting.
    stance = getattr(torch.compiler, "set_stance", nullcontext)
    with (
        stance("force_eager"),
        deployed(module),
        unfused_attention(),
        sdpa_kernel(SDPBackend.MATH),
        torch.backends.cudnn.flags(enabled=False),
    ):
        yield


def _of_vector(matrix: torch.Tensor, vector: torch.Tensor, **_: Any) -> int:
    return 2 * matrix.numel()


def _added_to_vector(start: Any, matrix: torch.Tensor, vector: torch.Tensor, **_: Any) -> int:
    return 2 * matrix.numel()


def _added_batch(start: Any, first: torch.Tensor, second: torch.Tensor, **_: Any) -> int:
    return 2 * first.numel() * second.shape[2]


def _bilinear(
    first: torch.Tensor, second: torch.Tensor, third: torch.Tensor, *_: Any, out_val: torch.Tensor
) -> int:
    """Of `nn.Bilinear`: the first input by the weights (O, I, J), and that by the second input."""
    outputs, inputs, others = second.shape[-3:]
    return 2 * (out_val.numel() // outputs) * outputs * others * (inputs + 1)


def _by_time(x: torch.Tensor, weight: torch.Tensor, *_: Any, out_val: torch.Tensor) -> int:
    return 2 * out_val.numel() * weight.shape[0] * weight.shape[1]


def _filled(args: tuple[Any, ...]) -> float:
    """The part of all products that sparse arguments have entries for."""
    tensors = (x for x in args if isinstance(x, torch.Tensor))
    sparse = (x for x in tensors if x.is_sparse or x.is_sparse_csr)
    return math.prod(x._nnz() / max(x.numel(), 1) for x in sparse)


def _added(start: Any, first: torch.Tensor, second: torch.Tensor, **_: Any) -> int:
    return 2 * first.numel() * second.shape[1]


# Products for which torch has no formula.
_PRODUCTS: dict[Any, Callable[..., int]] = {
    torch.ops.aten.mv: _of_vector,
    torch.ops.aten.dot: _of_vector,
    torch.ops.aten.vdot: _of_vector,
    torch.ops.aten.addmv: _added_to_vector,
    torch.ops.aten.addbmm: _added_batch,
    torch.ops.aten._sparse_addmm: _added,
    torch.ops.aten._trilinear: _bilinear,
    torch.ops.aten.conv_tbc: _by_time,
}


class _Counter(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Sums up torch's formulas. `FlopCounterMode` takes ten times as long: it reports by module.

    Attributes:
        total: FLOPs.
        activations: Values that operations with a formula put out.
        most: The most bytes that tensors made here had at a time.
        known: Memory that is not counted there, such as weights.
    """

    # Torch has no rule for this mode; ours is `_by_parts`.
    supports_higher_order_operators = True

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.total: int = 0
        self.activations: int = 0
        self.most: int = 0
        self.known: set[int] = set()
        self._now: int = 0
        self._holders: dict[int, int] = {}
        self._formulas = {**_PRODUCTS, **FlopCounterMode(display=False).flop_registry}

    def __torch_dispatch__(
        self,
        func: Callable[..., Any],
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        if isinstance(func, HigherOrderOperator):
            return self._by_parts(func, args, kwargs or {})
        operation = getattr(func, "overloadpacket", None)
        formula = self._formulas.get(operation)
        if formula is None and hasattr(func, "decompose"):
            with self:  # In inference mode a convolution or a linear layer comes whole.
                out = func.decompose(*args, **(kwargs or {}))
            if out is not NotImplemented:
                return out
        out = func(*args, **(kwargs or {}))
        outputs = [out] if isinstance(out, torch.Tensor) else out
        outputs = outputs if isinstance(outputs, tuple | list) else []
        tensors = [tensor for tensor in outputs if isinstance(tensor, torch.Tensor)]
        if formula is not None:
            self.total += round(formula(*args, **(kwargs or {}), out_val=out) * _filled(args))
            self.activations += tensors[0].numel() if tensors else 0
        elif operation is torch.ops.aten.mkldnn_rnn_layer:  # An LSTM's on the CPU.
            inputs, *matrices = args[:3]  # For each step, what it reads and its state.
            steps = inputs.numel() // inputs.shape[-1]
            self.total += 2 * steps * sum(matrix.numel() for matrix in matrices)
            self.activations += steps * sum(len(matrix) for matrix in matrices)
        for tensor in tensors:
            self.hold(tensor)
        return out

    def _by_parts(
        self, func: HigherOrderOperator, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Any:
        """An operator that calls functions, such as flex attention, by the operations within.

        Of `torch.cond` the branch that costs more counts, as in `torch.utils.flop_counter`.

        Raises:
            MeasurementFailed: It is a kernel of its own, which has no such operations.
        """
        if func is torch.ops.higher_order.cond:
            condition, *branches, operands = args
            if condition.device.type != "meta" and bool(condition):
                branches.reverse()  # What is returned is that of the last one.
            totals, activations = [self.total], [self.activations]
            for branch in branches:
                out, self.total, self.activations = None, totals[0], activations[0]
                with self:
                    out = branch(*operands)
                totals.append(self.total)
                activations.append(self.activations)
            self.total, self.activations = max(totals), max(activations)
            return out
        whole = func.py_kernels.get(torch._C.DispatchKey.CompositeExplicitAutograd)
        if whole is None or str(func).startswith("triton"):
            raise MeasurementFailed(
                f"count: {func} is a kernel of its own, whose operations can't be counted; "
                "leave limits on FLOPs, activations and memory out, or replace it"
            )
        with self:
            return whole(*args, **kwargs)

    def hold(self, tensor: torch.Tensor) -> None:
        """Counts the memory of a tensor until it, and all that share it, are gone."""
        if tensor.layout is not torch.strided:  # A sparse one has no memory of its own.
            return
        storage = tensor.untyped_storage()
        key, size = storage._cdata, storage.nbytes()
        if key in self.known:
            return
        if key not in self._holders:
            self._now += size
            self.most = max(self.most, self._now)
        self._holders[key] = self._holders.get(key, 0) + 1
        weakref.finalize(tensor, self._release, key, size)

    def _release(self, key: int, size: int) -> None:
        self._holders[key] -= 1
        if not self._holders[key]:
            del self._holders[key]
            self._now -= size

"""Measuring a real network on a real device: latency, size and operations."""

from typing import TYPE_CHECKING

from optiproxy import _lazy

if TYPE_CHECKING:
    from optiproxy.hardware._timer import processor
    from optiproxy.hardware.command import Command
    from optiproxy.hardware.cost import count_costs, count_flops, count_parameters
    from optiproxy.hardware.export import export_onnx
    from optiproxy.hardware.lazy import has_lazy_layers, materialise
    from optiproxy.hardware.measurement import Measurement, measure, runtime_of
    from optiproxy.hardware.threads import cores, pinned_threads

__all__ = [
    "Command", "Measurement", "cores", "count_costs", "count_flops", "count_parameters",
    "export_onnx", "has_lazy_layers", "materialise", "measure", "pinned_threads", "processor",
    "runtime_of",
]  # fmt: skip

# A stored study names its machine, which needs no torch.
__getattr__, __dir__ = _lazy.lazy(
    __name__,
    {
        "optiproxy.hardware._timer": ("processor",),
        "optiproxy.hardware.command": ("Command",),
        "optiproxy.hardware.cost": ("count_costs", "count_flops", "count_parameters"),
        "optiproxy.hardware.export": ("export_onnx",),
        "optiproxy.hardware.lazy": ("has_lazy_layers", "materialise"),
        "optiproxy.hardware.measurement": ("Measurement", "measure", "runtime_of"),
        "optiproxy.hardware.threads": ("cores", "pinned_threads"),
    },
)

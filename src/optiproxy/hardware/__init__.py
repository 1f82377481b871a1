"""Measuring a real network on a real device: latency, size and operations."""

from optiproxy.hardware.cost import count_flops, count_parameters
from optiproxy.hardware.latency import Latency, measure_latency
from optiproxy.hardware.threads import pinned_threads

__all__ = ["Latency", "count_flops", "count_parameters", "measure_latency", "pinned_threads"]

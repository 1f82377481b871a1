"""Other methods behind the same ask/tell, one file each; `methods.METHODS` has their names."""

from typing import TYPE_CHECKING

from optiproxy._lazy import lazy

if TYPE_CHECKING:
    from optiproxy.baselines.bananas import BANANAS
    from optiproxy.baselines.boosted import Boosted
    from optiproxy.baselines.evolution import RegularizedEvolution
    from optiproxy.baselines.local import LocalSearch
    from optiproxy.baselines.nasbowl import NASBOWL
    from optiproxy.baselines.npenas import NPENAS
    from optiproxy.baselines.optuna_samplers import NSGA2, TPE, GPSampler
    from optiproxy.baselines.pymoo_nsga2 import PymooNSGA2
    from optiproxy.baselines.random import RandomSearch
    from optiproxy.baselines.smac3 import SMAC

__all__ = [
    "BANANAS", "NASBOWL", "NPENAS", "NSGA2", "SMAC", "TPE", "Boosted", "GPSampler", "LocalSearch",
    "PymooNSGA2", "RandomSearch", "RegularizedEvolution",
]  # fmt: skip

__getattr__, __dir__ = lazy(
    __name__,
    {
        "optiproxy.baselines.bananas": ("BANANAS",),
        "optiproxy.baselines.boosted": ("Boosted",),
        "optiproxy.baselines.evolution": ("RegularizedEvolution",),
        "optiproxy.baselines.local": ("LocalSearch",),
        "optiproxy.baselines.nasbowl": ("NASBOWL",),
        "optiproxy.baselines.npenas": ("NPENAS",),
        "optiproxy.baselines.optuna_samplers": ("TPE", "GPSampler", "NSGA2"),
        "optiproxy.baselines.pymoo_nsga2": ("PymooNSGA2",),
        "optiproxy.baselines.random": ("RandomSearch",),
        "optiproxy.baselines.smac3": ("SMAC",),
    },
)

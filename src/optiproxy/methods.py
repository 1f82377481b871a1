"""Every search method by name: ours and the baselines.

All take ``(space, objectives, *, constraints=None, seed=0)`` or ``(task, *, seed=0)``; see
`search.Optimizer`.
"""

from optiproxy.registry import Registry

METHODS = Registry(
    "method",
    {
        "optiproxy": "optiproxy.search.optiproxy:OptiProxy",
        "paper": "optiproxy.search.paper:Paper",
        "random": "optiproxy.baselines.random:RandomSearch",
        "evolution": "optiproxy.baselines.evolution:RegularizedEvolution",
        "local": "optiproxy.baselines.local:LocalSearch",
        "bananas": "optiproxy.baselines.bananas:BANANAS",
        "npenas": "optiproxy.baselines.npenas:NPENAS",
        "nasbowl": "optiproxy.baselines.nasbowl:NASBOWL",
        "tpe": "optiproxy.baselines.optuna_samplers:TPE",
        "gpsampler": "optiproxy.baselines.optuna_samplers:GPSampler",
        "nsga2": "optiproxy.baselines.optuna_samplers:NSGA2",
    },
    group="optiproxy.methods",
    # Listed, and tested like the others, where their packages are installed.
    optional={
        "boosted": ("optiproxy.baselines.boosted:Boosted", "sklearn"),
        "nsga2-pymoo": ("optiproxy.baselines.pymoo_nsga2:PymooNSGA2", "pymoo"),
        "smac": ("optiproxy.baselines.smac3:SMAC", "smac"),
    },
)

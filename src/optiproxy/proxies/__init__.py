"""Differentiable models of the metrics. A proxy is one file here; `base.Proxy` is its interface."""

from typing import TYPE_CHECKING

from optiproxy._lazy import lazy
from optiproxy.registry import Registry

if TYPE_CHECKING:
    from optiproxy.proxies.auto import Auto
    from optiproxy.proxies.base import Proxy
    from optiproxy.proxies.gcn import GCNEnsemble
    from optiproxy.proxies.gp import GaussianProcess
    from optiproxy.proxies.mlp import MLPEnsemble
    from optiproxy.proxies.transformer import TransformerEnsemble

PROXIES = Registry(
    "proxy",
    {
        "auto": "optiproxy.proxies.auto:Auto",
        "gp": "optiproxy.proxies.gp:GaussianProcess",
        "gp-adjacency": "optiproxy.proxies.gp_encoded:AdjacencyGP",
        "gp-living": "optiproxy.proxies.gp_encoded:LivingGP",
        "gp-onehot": "optiproxy.proxies.gp_encoded:OneHotGP",
        "gp-path": "optiproxy.proxies.gp_encoded:PathGP",
        "gcn": "optiproxy.proxies.gcn:GCNEnsemble",
        "mlp": "optiproxy.proxies.mlp:MLPEnsemble",
        "mlp-adjacency": "optiproxy.proxies.mlp:AdjacencyMLP",
        "mlp-living": "optiproxy.proxies.mlp:LivingMLP",
        "mlp-onehot": "optiproxy.proxies.mlp:OneHotMLP",
        "mlp-path": "optiproxy.proxies.mlp:PathMLP",
        "transformer": "optiproxy.proxies.transformer:TransformerEnsemble",
    },
    group="optiproxy.proxies",
)

__all__ = [
    "PROXIES", "Auto", "GCNEnsemble", "GaussianProcess", "MLPEnsemble", "Proxy",
    "TransformerEnsemble",
]  # fmt: skip

__getattr__, __dir__ = lazy(
    __name__,
    {
        "optiproxy.proxies.auto": ("Auto",),
        "optiproxy.proxies.base": ("Proxy",),
        "optiproxy.proxies.gcn": ("GCNEnsemble",),
        "optiproxy.proxies.gp": ("GaussianProcess",),
        "optiproxy.proxies.mlp": ("MLPEnsemble",),
        "optiproxy.proxies.transformer": ("TransformerEnsemble",),
    },
)

"""Differentiable models of the metrics. A proxy is one file here; `base.Proxy` is its interface."""

from optiproxy.registry import Registry

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

__all__ = ["PROXIES"]

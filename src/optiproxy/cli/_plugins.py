"""What other packages have added, for ``--help``."""

from __future__ import annotations

from importlib.metadata import entry_points

# Entry-point group → what is registered there, and the option that takes it.
_KINDS = {
    "optiproxy.tasks": "tasks",
    "optiproxy.methods": "--method",
    "optiproxy.proxies": "--proxy",
    "optiproxy.encodings": "encodings",
    "optiproxy.scores": "scores",
}


def plugins() -> str:
    """A line for each kind of thing that installed packages add; empty where there is none."""
    lines = []
    for group, kind in _KINDS.items():
        found = [
            f"{p.name} ({p.dist.name})" if p.dist else p.name for p in entry_points(group=group)
        ]
        if found:
            lines.append(f"  {kind:<10}  {', '.join(sorted(found))}")
    return "\n".join(["Added by installed packages:", "", *lines, ""]) if lines else ""

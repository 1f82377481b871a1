"""How many threads a process computes with."""

from __future__ import annotations

# The variables by which the usual numerical libraries learn how many threads to start.
_VARIABLES = (
    "OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "VECLIB_MAXIMUM_THREADS",
)  # fmt: skip


def thread_limits(threads: int) -> dict[str, str]:
    """The environment of a process that is to compute with so many threads."""
    return dict.fromkeys(_VARIABLES, str(threads))

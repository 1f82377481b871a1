"""Targets: extreme values must not decide the scale of all others, and nothing overflows."""

from __future__ import annotations

import sys
import warnings

import numpy as np
import pytest

import optiproxy as op
from optiproxy.search.transforms import Scale, bounded, of_front, of_limit, of_objective, sharpen

USUAL = np.random.default_rng(0).normal(2.0, 0.5, 30)
EXTREMES = [1e3, 1e6, 3.4e38, sys.float_info.max]


def _objective(values: np.ndarray) -> Scale:
    return of_objective(values, -1.0, np.ones(len(values), dtype=bool))


def _limit(values: np.ndarray) -> Scale:
    return of_limit(values, 1.0, 1.8)


def _front(values: np.ndarray) -> Scale:
    return of_front(values, -1.0)


@pytest.mark.parametrize("scale_of", [_objective, _limit, _front])
@pytest.mark.parametrize("extreme", EXTREMES)
def test_a_penalty_for_failures_leaves_the_others_apart(scale_of, extreme: float) -> None:
    """A fifth of the losses are a penalty: the others keep most of their spread."""
    values = bounded(np.r_[USUAL, np.full(7, extreme)])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        targets = scale_of(values)(values)
        alone = scale_of(USUAL)(USUAL)
    assert np.isfinite(targets).all()
    assert targets[: len(USUAL)].std() > 0.3 * alone.std()
    assert np.array_equal(np.argsort(targets[: len(USUAL)]), np.argsort(alone))


@pytest.mark.parametrize("scale", [1e-300, 1e300])
def test_tiny_and_huge_units_give_no_warning(scale: float) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for values in (scale * USUAL, np.full(5, scale), scale * np.arange(2.0)):
            assert np.isfinite(sharpen(values)).all()
            for scale_of in (_objective, _limit, _front):
                read = bounded(values)
                assert np.isfinite(scale_of(read)(read)).all()


def test_usual_targets_are_not_drawn_in() -> None:
    scale = _objective(USUAL)
    assert len(np.unique(scale(USUAL))) == len(USUAL)


@pytest.mark.slow
def test_a_penalty_costs_nothing_against_none() -> None:
    """Failures in a region, as losses of 1e9 and as None: the same regret within noise, 6 seeds."""
    space = op.spaces.Chain({f"stage{i}": [1, 2, 3, 4, 5] for i in range(5)})
    target = np.array([4, 2, 5, 1, 3])

    def loss(arch) -> float:
        return 1.0 + float(np.abs(np.array(list(arch.values())) - target).sum())

    def regret(penalty: float | None) -> float:
        found = []
        for seed in range(6):
            opt = op.OptiProxy(space, {"loss": "min"}, seed=seed)
            for _ in range(7):
                archs = opt.ask(5)
                fails = [arch["stage0"] == 5 or arch["stage1"] == 5 for arch in archs]
                opt.tell(
                    archs, [penalty if f else loss(a) for a, f in zip(archs, fails, strict=True)]
                )
            found.append(opt.best.metrics["loss"] - 1.0)
        return float(np.mean(found))

    none = regret(None)
    assert regret(1e9) <= none + 0.5
    assert regret(sys.float_info.max) <= none + 0.5

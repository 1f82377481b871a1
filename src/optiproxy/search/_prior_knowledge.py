"""What is known before the first query: earlier studies and training-free scores.

It leads the first queries, gives candidates to each round, and is the prior of its models.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from copy import copy
from dataclasses import replace
from functools import cached_property
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from optiproxy.encodings import corners
from optiproxy.metrics import Constraint, Objective
from optiproxy.proxies.prior import Earlier, Model
from optiproxy.proxies.training_free import Features, Scores, check_features, joined
from optiproxy.search._favourites import Favourites
from optiproxy.search._incumbents import INCUMBENTS
from optiproxy.search._training_targets import targets_of
from optiproxy.search.warm_start import DescribedStudy, EarlierStudy, lessons, read_earlier
from optiproxy.spaces import Space
from optiproxy.spaces.architecture import Indices
from optiproxy.spaces.narrowed import Narrowed, is_wide


class PriorKnowledge:
    """Earlier studies of a space, and training-free scores of its architectures.

    Args:
        space: The search space.
        objectives: Of the search.
        constraints: Of the search.
        warm_start: Earlier studies, as `OptiProxy` takes them; those of another space become one
            more score.
        features: Training-free scores, as `OptiProxy` takes them.
        allowed: Which rows (B, C) meet the limits that are known exactly, (B,).
        seed: Of the search.

    Attributes:
        studies: The earlier studies of the same space.
        features: The training-free scores, before any is computed.

    Raises:
        InvalidValueError: A study or a score can't be used.
    """

    def __init__(
        self,
        space: Space,
        objectives: Sequence[Objective],
        constraints: Sequence[Constraint],
        warm_start: Iterable[Any],
        features: Features,
        allowed: Callable[[Indices], NDArray[np.bool_]],
        seed: int,
    ) -> None:
        check_features(features)
        self._space = space
        self._objectives, self._constraints = objectives, constraints
        self._allowed, self._seed = allowed, seed
        earlier = read_earlier(space, warm_start, objectives)
        self.studies = [study for study in earlier if isinstance(study, EarlierStudy)]
        others = [study for study in earlier if isinstance(study, DescribedStudy)]
        self.features = joined(features, lessons(space, others, objectives))
        if isinstance(self.features, Mapping):
            _ = self.scores  # So that a function that can't be used is an error at once.

    @cached_property
    def scores(self) -> Scores | None:
        """The training-free scores, some of which are computed now; None where there are none."""
        if not self.features:
            return None
        outputs = len(self._objectives) + len(self._constraints) + 1  # and failure
        scores = Scores(self._space, outputs, self.features)
        return scores if scores.names else None

    @cached_property
    def favourites(self) -> Favourites | None:
        """The architectures of highest score; None where there are no scores."""
        if self.scores is None:
            return None
        return Favourites(self._space, self.scores, self._allowed, self._seed)

    @cached_property
    def earlier(self) -> list[Earlier]:
        """Models of the earlier studies from which something can be learnt."""
        useful = []
        for study in self.studies:
            y = targets_of(study.values, len(study.rows), self._objectives, self._constraints).y
            y = torch.nn.functional.pad(y, (0, 1), value=torch.nan)  # No failures.
            space, rows = self._space, study.rows
            if is_wide(space):
                space = Narrowed(space, rows)
                rows = space.narrow(rows)
            model = Earlier(space, corners(space, torch.from_numpy(rows), torch.float64), y)
            if model.reliability[: len(self._objectives)].any():
                useful.append(model)
        return useful

    @property
    def models(self) -> list[Model]:
        """All that predicts something, as the prior of a proxy."""
        return [*self.earlier, *([self.scores] if self.scores else [])]

    def best(self) -> list[Indices]:
        """The best architectures of each earlier study, (INCUMBENTS, C) each."""
        if not self.earlier:
            return []
        objective = self._objectives[0]
        return [
            study.rows[np.argsort(-objective.sign * study.values(objective.metric))[:INCUMBENTS]]
            for study in self.studies
        ]

    def rows(self, proposed: int) -> list[Indices]:
        """Architectures whose options a narrowed space keeps; `proposed` were proposed so far."""
        found = [study.rows for study in self.studies]
        if self.scores is not None and self.favourites is not None:
            found += [self.scores.sample, self.favourites.candidates(proposed)]
        return found

    def on(self, narrow: Narrowed) -> PriorKnowledge:
        """The same in a narrowed space, which keeps the options of `rows`."""
        other = copy(self)
        vars(other).pop("earlier", None)  # Its models are made anew, of the narrowed rows.
        other._space = narrow
        other.studies = [replace(study, rows=narrow.narrow(study.rows)) for study in self.studies]
        if self.scores is not None and self.favourites is not None:
            other.scores, other.favourites = self.scores.on(narrow), self.favourites.on(narrow)
        return other

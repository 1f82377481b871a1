"""What every search space has to do."""

from __future__ import annotations

import json
import pickle

import numpy as np
import pytest
import torch

from optiproxy.encodings import corners, make
from optiproxy.errors import InvalidValueError
from optiproxy.spaces import Architecture, Space, check

# Architectures that are drawn for each case.
SAMPLE = 24
# Larger spaces are not listed.
LISTED = 100_000


class SpaceCases:
    """The protocol of `optiproxy.spaces.Space`. The fixture `space` gives one."""

    @pytest.fixture
    def space(self) -> Space:
        raise NotImplementedError("define the fixture `space`")

    def test_a_sample_is_valid_and_fixed_by_its_seed(self, space: Space) -> None:
        archs = space.sample(SAMPLE, seed=1)
        assert archs == space.sample(SAMPLE, seed=1)
        assert archs != space.sample(SAMPLE, seed=2)
        assert space.valid(space.to_indices(archs)).all()
        for arch in archs:
            assert list(arch) == list(space.choices)
            assert all(arch[name] in options for name, options in space.choices.items())

    def test_its_definition_holds_together(self, space: Space) -> None:
        check(space)

    def test_numbers_texts_and_json_are_read_back(self, space: Space) -> None:
        archs = space.sample(SAMPLE)
        assert space.from_indices(space.to_indices(archs)) == archs
        for arch in archs:
            for form in (dict(arch), arch.to_json(), space.to_text(arch)):
                again = space.architecture(form)
                assert again == arch
                assert hash(again) == hash(arch)
                # 1, 1.0 and True are equal, and not the same option.
                assert [type(o) for o in again.values()] == [type(o) for o in arch.values()]
            assert "\n" not in space.to_text(arch)
        assert space.architectures(map(space.to_text, archs)) == archs
        assert space.architectures([]) == []

    def test_what_is_no_architecture_is_told(self, space: Space) -> None:
        arch = dict(space.sample(1)[0])
        name = space.names[0]
        for wrong in (
            {**arch, name: "no such option"},
            {**arch, "no such choice": 1},
            {k: v for k, v in arch.items() if k != name},
            "no such text",
            json.dumps([1]),
            None,
        ):
            with pytest.raises(InvalidValueError, match=r"architecture|text|write"):
                space.architectures([arch, wrong])  # type: ignore[list-item]

    def test_listing_has_every_valid_one_once(self, space: Space) -> None:
        if space.count > LISTED:
            pytest.skip(f"{space.count:,} architectures are not listed")
        rows = space.all_indices
        assert len(rows) == space.count == len(np.unique(rows, axis=0))
        assert space.valid(rows).all()
        numbers = {row.tobytes() for row in rows}
        assert all(row.tobytes() in numbers for row in space.to_indices(space.sample(SAMPLE)))

    def test_neighbours_are_valid_and_others(self, space: Space) -> None:
        for arch in space.sample(4):
            near = space.neighbours(arch)
            assert near
            assert arch not in near
            assert space.valid(space.to_indices(near)).all()

    def test_graph_has_the_shape_that_it_says(self, space: Space) -> None:
        graph = space.graph
        (n, f), (c, o) = graph.shape, space.mask.shape
        assert graph.adjacency.shape == (n, n)
        assert graph.features.shape == (n, f)
        assert graph.feature_terms.shape == (c, o, n, f)
        if graph.adjacency_terms is not None:
            assert graph.adjacency_terms.shape == (c, o, n, n)
        assert all(0 <= choice < c for path in space.paths for choice in path)
        assert space.zero_options.dtype == bool
        assert space.zero_options.shape == (c, o)
        assert not (space.zero_options & ~space.mask).any()
        assert space.levels.shape == (c, o)
        # All options of a choice have a level, or none.
        known = ~np.isnan(space.levels)
        assert (known == (space.mask & known.any(1, keepdims=True))).all()
        assert ((space.levels >= 0) & (space.levels <= 1))[known].all()

    @pytest.mark.parametrize("name", ["onehot", "adjacency", "path", "living"])
    def test_corners_of_the_relaxation_are_the_architectures(self, space: Space, name: str) -> None:
        rows = torch.from_numpy(space.to_indices(space.sample(SAMPLE)))
        encoder = make(name, space)
        discrete = encoder.discrete(rows)
        relaxed = encoder.relaxed(corners(space, rows))
        for a, b, shape in zip(discrete, relaxed, encoder.shapes, strict=True):
            assert a.shape == (len(rows), *shape)
            assert torch.equal(a, b)

    def test_graphs_run_from_input_to_output(self, space: Space) -> None:
        rows = torch.from_numpy(space.to_indices(space.sample(SAMPLE)))
        adjacency, features = make("adjacency", space).discrete(rows)
        assert torch.equal(adjacency, adjacency.triu(1))  # No cycle.
        assert bool(((features == 0) | (features == 1)).all())

    def test_it_travels_to_another_process(self, space: Space) -> None:
        archs = space.sample(4)
        again: Space = pickle.loads(pickle.dumps(space))
        assert again.fingerprint == space.fingerprint
        assert dict(again.choices) == dict(space.choices)
        assert again.sample(4) == archs
        other: list[Architecture] = pickle.loads(pickle.dumps(archs))
        assert other == archs

    def test_pictures_name_what_they_show(self, space: Space) -> None:
        for arch in space.sample(4):
            picture = space.picture(arch)
            assert picture.strip()
            assert max(map(len, picture.splitlines())) <= 120
        assert f"{space.count:,}" in repr(space)

"""Conformance cases for search spaces."""

from __future__ import annotations

import itertools
import json
import math
import pickle

import numpy as np
import pytest
import torch

from optiproxy.encodings import ENCODINGS, corners, make
from optiproxy.errors import InvalidValueError
from optiproxy.spaces import Architecture, Space, check
from optiproxy.spaces.architecture import Indices
from optiproxy.spaces.combinations import ENUMERABLE

# Architectures drawn in each case.
SAMPLE = 24
# Larger spaces are not listed.
LISTED = 100_000


def rows_of(space: Space, n: int = SAMPLE, seed: int = 0) -> Indices:
    """A random sample, (n, C)."""
    return space.random_indices(n, np.random.default_rng(seed))


class SpaceCases:
    """The protocol of `optiproxy.spaces.Space`. The fixture `space` returns one."""

    @pytest.fixture
    def space(self) -> Space:
        raise NotImplementedError("define the fixture `space`")

    def test_its_definition_is_consistent(self, space: Space) -> None:
        check(space)

    def test_a_sample_is_valid_and_fixed_by_its_seed(self, space: Space) -> None:
        rows = rows_of(space)
        assert rows.shape == (SAMPLE, len(space))
        assert rows.dtype == np.int64
        assert ((rows >= 0) & (rows < space.sizes)).all()
        assert space.valid(rows).all()
        assert (rows_of(space) == rows).all()
        assert space.count == 1 or (rows_of(space, seed=1) != rows).any()
        assert rows_of(space, 0).shape == (0, len(space))

    def test_rows_texts_and_json_are_read_back(self, space: Space) -> None:
        rows = rows_of(space)
        archs = space.from_indices(rows)
        assert (space.to_indices(archs) == rows).all()
        for arch in archs:
            text = str(arch)
            assert text == space.to_text(arch)
            assert "\n" not in text
            for form in (arch, dict(arch), arch.to_json(), text, f" {text}\n"):
                again = space.architecture(form)
                assert again == arch
                assert hash(again) == hash(arch)
                assert list(again) == list(space.choices)
                # 1, 1.0 and True are equal, and different options.
                assert [type(o) for o in again.values()] == [type(o) for o in arch.values()]
        assert space.architectures(map(str, archs)) == archs
        assert space.architectures([]) == []

    def test_what_is_not_an_architecture_is_refused(self, space: Space) -> None:
        arch = dict(space.sample(1)[0])
        name = space.names[0]
        for wrong in (
            {**arch, name: "no such option"},
            {**arch, "no such choice": 1},
            {},
            "no such text",
            json.dumps([1]),
            None,
        ):
            with pytest.raises(InvalidValueError, match=r"architecture|text|write"):
                space.architectures([arch, wrong])

    def test_the_list_has_every_valid_one_once(self, space: Space) -> None:
        if space.count > ENUMERABLE:
            with pytest.raises(InvalidValueError, match="sample it instead"):
                _ = space.all_indices
        if space.count > LISTED:
            return  # would take too long
        listed = space.all_indices
        assert len(listed) == space.count == len(np.unique(listed, axis=0))
        assert (listed == listed[np.lexsort(listed.T[::-1])]).all()
        assert (space.to_indices(itertools.islice(space.enumerate(), 1000)) == listed[:1000]).all()
        assert space.valid(listed).all()
        raw = np.random.default_rng(5).integers(0, space.sizes, size=(1000, len(space)))
        known = {row.tobytes() for row in listed}
        assert space.valid(raw).tolist() == [row.tobytes() in known for row in raw]
        assert {row.tobytes() for row in rows_of(space)} <= known

    def test_neighbours_are_valid_and_others(self, space: Space) -> None:
        rows = rows_of(space, 6)
        alone = [space.neighbour_indices(row[None]) for row in rows]
        for row, near in zip(rows, alone, strict=True):
            assert len(near) or space.count == 1
            assert space.valid(near).all()
            assert (near != row).any(1).all()
            assert len(np.unique(near, axis=0)) == len(near)
        together = space.neighbour_indices(rows)
        assert sorted(together.tolist()) == sorted(np.concatenate(alone).tolist())

    def test_the_canonical_form_does_not_depend_on_the_batch(self, space: Space) -> None:
        rows = rows_of(space)
        canonical = space.canonical(rows)
        assert canonical.dtype == np.int64
        single = np.concatenate([space.canonical(row[None]) for row in rows])
        assert (single == canonical).all()
        assert space.canonical(rows[:0]).shape == (0, len(space))

    def test_repair_keeps_what_is_valid(self, space: Space) -> None:
        rows = rows_of(space)
        assert (space.canonical(space.repair(rows)) == space.canonical(rows)).all()
        assert space.repair(rows[:0]).shape == (0, len(space))

    @pytest.mark.parametrize("name", ENCODINGS.names())
    def test_corners_of_the_relaxation_are_the_architectures(self, space: Space, name: str) -> None:
        rows = torch.from_numpy(rows_of(space))
        encoder = make(name, space)
        discrete = encoder.discrete(rows)
        relaxed = encoder.relaxed(corners(space, rows))
        for a, b, shape in zip(discrete, relaxed, encoder.shapes, strict=True):
            assert a.shape == (len(rows), *shape)
            assert torch.equal(a, b)

    def test_graphs_run_from_input_to_output(self, space: Space) -> None:
        adjacency, features = make("adjacency", space).discrete(torch.from_numpy(rows_of(space)))
        assert torch.equal(adjacency, adjacency.triu(1))  # no cycle
        assert bool(((features >= 0) & (features <= 1)).all())
        if not space.numbers:
            assert bool(((features == 0) | (features == 1)).all())

    def test_it_can_be_sent_to_another_process(self, space: Space) -> None:
        sent = pickle.dumps(space)
        archs = space.sample(4)
        _ = space.graph, space.paths, space.count, space.canonical(space.to_indices(archs))
        assert len(pickle.dumps(space)) == len(sent)  # without its caches
        again: Space = pickle.loads(sent)
        assert again.fingerprint == space.fingerprint
        assert dict(again.choices) == dict(space.choices)
        assert repr(again) == repr(space)
        assert again.sample(4) == archs
        others: list[Architecture] = pickle.loads(pickle.dumps(archs))
        assert others == archs
        assert list(map(str, others)) == list(map(str, archs))

    def test_a_picture_has_lines(self, space: Space) -> None:
        for arch in space.sample(4):
            picture = space.picture(arch)
            assert picture.strip()
            assert max(map(len, picture.splitlines())) <= 120
        assert (f"{space.count:,}" if math.isfinite(space.count) else "infinitely") in repr(space)

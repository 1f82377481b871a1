"""Which GPUs the workers get, with a stand-in for the machine's."""

from __future__ import annotations

import pytest

from optiproxy.errors import InvalidValueError
from optiproxy.study._workers.devices import chosen, environment


@pytest.mark.parametrize(
    ("gpus", "env", "expected"),
    [
        ("auto", {}, ["0", "1", "2", "3"]),
        ("2", {}, ["0", "1"]),
        (3, {}, ["0", "1", "2"]),
        ("0,1,3", {}, ["0", "1", "3"]),
        ("3,", {}, ["3"]),
        ("auto", {"CUDA_VISIBLE_DEVICES": "5,6,7,8"}, ["5", "6", "7", "8"]),
        ("1", {"HIP_VISIBLE_DEVICES": "6,2"}, ["6"]),
        ("GPU-a1,GPU-b2", {}, ["GPU-a1", "GPU-b2"]),
    ],
)
def test_devices_are_chosen_among_the_visible(gpus, env, expected):
    assert chosen(gpus, count=lambda: 4, env=env) == expected


@pytest.mark.parametrize(
    ("gpus", "said"),
    [("many", "give auto"), ("0,0", "give auto"), (",", "give auto"), ("5", "torch sees 4 here"),
     ("0", "whole number of 1"), ("-1", "give auto"), ("9,", "allows 0, 1")],
)  # fmt: skip
def test_what_is_no_choice_of_devices(gpus, said):
    env = {"CUDA_VISIBLE_DEVICES": "0,1"} if "allows" in said else {}
    with pytest.raises(InvalidValueError, match=said):
        chosen(gpus, count=lambda: 4, env=env)


def test_auto_without_any_gpu_is_an_error():
    with pytest.raises(InvalidValueError, match="sees no GPU"):
        chosen("auto", count=lambda: 0, env={})


def test_a_worker_s_environment():
    assert environment(2, "") == {"OPTIPROXY_WORKER": "2"}
    given = environment(0, "7")
    assert given["CUDA_VISIBLE_DEVICES"] == given["HIP_VISIBLE_DEVICES"] == "7"
    assert given["OPTIPROXY_DEVICE"] == "7"

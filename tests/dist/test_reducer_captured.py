"""Reducer in captured steps, on the look-alike: beside a rank that has what this one has."""

import os

import numpy as np
import pytest

import gpunn
from gpunn import nn, ops, optim, train
from gpunn.dist.reducer import Reducer
from gpunn.ranks.group import Group, Work
from tests.train.captured_steps import Net, batch

pytestmark = pytest.mark.usefixtures("look_alike")


class Same(Group):
    """Two ranks of which the other has what this one has, on any device."""

    kind, ordered = "nccl", False

    def __init__(self):
        super().__init__(0, 2)

    def _all_reduce(self, a, op, ordered):
        a *= 2
        return Work()


class Spare(Net):
    """With a parameter that is not used."""

    def __init__(self):
        super().__init__()
        self.spare = nn.Parameter(np.ones(3, np.float32))


@pytest.mark.parametrize(("model", "accumulate"), [(Spare, 1), *([(Net, 1), (Net, 2)] if "CI" in os.environ else [])])
def test_a_captured_step_reduces_as_an_eager_one(model, accumulate):
    found = []
    for capture in (False, None):
        gpunn.manual_seed(0)
        own = model().to("cuda")
        optimizer = optim.SGD(own.parameters(), 0.05, momentum=0.9)
        step = train.CapturedStep(own, ops.cross_entropy, optimizer, accumulate=accumulate, capture=capture)
        step.accumulation = Reducer(accumulate, Same(), 64)
        losses = [step(*batch(i)) for i in range(4 * accumulate + 2)]
        assert step.captured == (capture is None) and len(step.accumulation.buckets) > 1
        arrays = {name: gpunn.to_numpy(a).tobytes() for name, a in own.named_arrays().items()}
        found.append(([float(loss) for loss in losses], arrays))
    assert found[0] == found[1]


def test_a_parameter_that_another_rank_comes_to_use_after_the_capture_is_no_silent_difference():
    group = Same()
    gpunn.manual_seed(0)
    own = Spare().to("cuda")
    step = train.CapturedStep(own, ops.cross_entropy, optim.SGD(own.parameters(), 0.05))
    step.accumulation = Reducer(1, group, 64)
    for i in range(3):
        step(*batch(i))
    assert step.captured
    flags = next(iter(step.accumulation._flags.values()))
    spare = [id(p) for p in own.parameters()].index(id(own.spare))
    flags.told[2 + spare] = 1  # what a replay reads, and the others' would be added to
    step(*batch(3))
    assert np.isnan(gpunn.to_numpy(own.first.weight.array)).all()

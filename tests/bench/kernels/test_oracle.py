"""What results are compared with, what work is counted, in which order calls are timed."""

import numpy as np
import pytest

from bench import clocks, measure
from bench.kernels import cases, oracle
from bench.kernels.subjects import FAMILIES


@pytest.mark.parametrize(
    "name", ["all primes", "unequal everything", "groups 3, stride 2, no bias", "3x3, stride 2", "3-D, unequal"]
)
@pytest.mark.parametrize("pass_", ["forward", "grad_input", "grad_weight"])
def test_sampled_oracle_agrees_with_the_loops(name, pass_, monkeypatch):
    suite = "conv3d" if name.startswith("3-D") else "conv2d"
    (case,) = (c for group in cases.groups(suite).values() for c in group if c.name == name)
    (subject,) = FAMILIES[suite](case, "cpu", "fp32", [f"{suite}.{pass_}"])
    monkeypatch.setattr(oracle, "LOOPS", 0)
    (limited,) = FAMILIES[suite](case, "cpu", "fp32", [f"{suite}.{pass_}"])
    whole, sampled = subject.expected, limited.expected
    assert whole.take is None and sampled.take is not None
    np.testing.assert_allclose(sampled.want[0][0], sampled.take(whole.want[0][0]), rtol=1e-12, atol=1e-12)


def test_samples_hold_the_corners():
    points = oracle.sample((5, 7, 9, 11), 96)
    assert len(points) == 96
    assert {tuple(p) for p in points} >= {(a, b, c, d) for a in (0, 4) for b in (0, 6) for c in (0, 8) for d in (0, 10)}
    assert len(oracle.sample((2, 3), 96)) == 6
    assert oracle.sample((0, 3), 96).shape == (0, 2)


def test_work_is_what_the_headers_state():
    (case,) = cases.choose("conv2d", "lenet5 conv2", "cpu", None)
    subject = next(FAMILIES["conv2d"](case, "cpu", "fp32", ["conv2d.forward"]))
    n, k, p, q = case.y
    assert subject.floor == (2 * n * k * p * q * 6 * 25, 4 * (8 * 6 * 14 * 14 + n * k * p * q + k * 6 * 25))
    (norm,) = cases.choose("batchnorm", "resnet20 stage1 norm", "cpu", None)
    subject = next(FAMILIES["batchnorm"](norm, "cpu", "fp32", ["batch_norm.train_forward"]))
    assert subject.floor[1] == 3 * 4 * np.prod(norm.x)  # the scratch of split sums costs nothing here


def test_turns_alternate_and_pair():
    order = []

    class Clock:
        def once(self, call):
            call()
            return float(len(order)), None

    calls = [lambda: order.append("a"), lambda: order.append("b")]
    first, second = clocks.by_turns(calls, Clock(), 3, 100.0)
    assert "".join(order) == "aabb" + "ba" + "ab" + "ba"
    assert len(first.device) == len(second.device) == 3
    assert (measure.versus(first, {"other": second})["other"].speed or 0) > 0

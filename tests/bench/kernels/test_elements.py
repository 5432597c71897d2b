"""The suite `elementwise`: its ops, PyTorch's and the array expressions compute the same, and a run counts it."""

import json

import numpy as np
import pytest

from bench.__main__ import main
from bench.kernels import elements, oracle, rivals, suite
from bench.measure import Unsupported
from bench.output import schema
from bench.rows import Row
from gpunn import backend
from gpunn.cuda.variants import OPERATIONS

SUBJECTS = [one for case in elements.CASES for one in elements.subjects(case, "cpu", "fp32", elements.PASSES)]
each = pytest.mark.parametrize("subject", SUBJECTS, ids=lambda subject: subject.case)


@each
def test_ours_is_the_oracles(subject):
    row = suite.verified(Row("elementwise", subject.case, subject.operation), subject, subject.run())
    assert row.status == "ok", row.reason
    assert subject.floor[1] >= 4 * np.prod(subject.given.case.x)


@each
def test_pytorch_computes_the_same(subject):
    pytest.importorskip("torch", reason="PyTorch is not installed: pip install torch", exc_type=ImportError)
    assert oracle.near(rivals.call("torch", subject, "cpu")(), subject.expected, "float32")


def test_array_expressions_compute_the_same():
    done = 0
    for subject in SUBJECTS:
        try:
            found = rivals.call("cupy", subject, "cpu")()
        except Unsupported as lack:
            assert subject.case.partition(",")[0] in str(lack)
            continue
        done += 1
        assert oracle.near(found, subject.expected, "float32"), subject.case
    assert done >= 10


def test_operations_that_are_named_exist():
    named = {name for case in elements.CASES for name in case.operations if name}
    assert named <= set(OPERATIONS) and named == set(elements.KERNELS)


@pytest.mark.skipif(not backend.is_available("emulator"), reason="no C++ compiler for the emulator")
def test_a_run_counts_what_several_kernels_do(capsys, tmp_path):
    file = tmp_path / "counts.json"
    argv = ["elementwise", "--device", "emulator", "--cases", "relu,residual relu", "--json", str(file)]
    assert main(argv) == 0
    document = json.loads(file.read_text())
    assert schema.complaints(document) == []
    found = {(row["case"], row["variant"]): row["counts"]["traffic"] for row in document["rows"]}
    assert found["relu, forward", "vector"] == found["relu, backward", "vector"] == 1.0
    assert found["residual relu, backward", "several"] >= 1.0
    assert "residual relu, forward: x 8x16x32x32" in capsys.readouterr().out

"""Every public op and layer shows itself: an example in its docstring, which runs and gives what it says."""

import doctest
import inspect

import numpy as np
import pytest

import gpunn
from gpunn import nn, ops

EXPORTED = {
    **{f"ops.{name}": op for name, op in vars(ops).items() if inspect.isfunction(op)},
    **{f"nn.{name}": layer for name, layer in vars(nn).items() if inspect.isclass(layer)},
}
GIVEN = {"np": np, "gpunn": gpunn, "nn": nn, "ops": ops}


def test_they_are_all_here():
    assert len(EXPORTED) >= 131


@pytest.mark.parametrize("name", EXPORTED)
def test_example(name):
    found = doctest.DocTestParser().get_doctest(EXPORTED[name].__doc__, dict(GIVEN), name, None, None)
    called = EXPORTED[name].__name__  # expand_dims is unsqueeze by another name
    assert any(called in example.source for example in found.examples), f"{name} has no example"
    said = []
    runner = doctest.DocTestRunner(verbose=False)
    runner.run(found, out=said.append)
    assert not runner.failures, "".join(said)

"""Every public op, layer, optimiser, schedule and class of data has an example, which runs and gives what it says."""

import doctest
import inspect

import numpy as np
import pytest

import gpunn
from gpunn import data, nn, ops, optim

FILES = {"ImageSet", "Loaded", "DownloadError", "WorkerInfo"}  # what functions of gpunn.data give or raise
EXPORTED = {
    **{f"ops.{name}": op for name, op in vars(ops).items() if inspect.isfunction(op)},
    **{f"nn.{name}": layer for name, layer in vars(nn).items() if inspect.isclass(layer)},
    **{f"optim.{name}": made for name, made in vars(optim).items() if inspect.isclass(made)},
    **{f"optim.{name}": function for name, function in vars(optim).items() if inspect.isfunction(function)},
    **{f"data.{name}": made for name, made in vars(data).items() if inspect.isclass(made) and name not in FILES},
}
GIVEN = {"data": data, "np": np, "gpunn": gpunn, "nn": nn, "ops": ops}


def test_they_are_all_here():
    assert len(EXPORTED) >= 500


@pytest.mark.parametrize("name", EXPORTED)
def test_example(name):
    found = doctest.DocTestParser().get_doctest(EXPORTED[name].__doc__, dict(GIVEN), name, None, None)
    called = EXPORTED[name].__name__  # expand_dims is unsqueeze by another name
    assert any(called in example.source for example in found.examples), f"{name} has no example"
    said = []
    runner = doctest.DocTestRunner(verbose=False)
    runner.run(found, out=said.append)
    assert not runner.failures, "".join(said)

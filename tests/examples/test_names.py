"""The examples of what stands under PyTorch's names run and give what they say."""

import doctest
import importlib

import numpy as np
import pytest

import gpunn
from gpunn import nn, ops

MODULES = [
    "accelerator", "autograd.function", "autograd.gradients", "backend.device", "backends.cuda", "backends.cudnn",
    "backends.mps", "creation.drawn", "creation.filled", "creation.given", "creation.like", "cuda.card", "dtypes",
    "engine.creation", "engine.grad_mode", "left_out", "linalg", "mistaken", "naming", "nn.init", "nn.utils.clip",
    "nn.packed", "nn.packing", "nn.utils.rnn", "nn.utils.vector", "notebook", "optim.swa_utils", "questions", "random",
    "serialization", "settings",
]  # fmt: skip


@pytest.mark.parametrize("name", MODULES)
def test_examples(name):
    module = importlib.import_module(f"gpunn.{name}")
    own = {each: getattr(gpunn, each) for each in ("dtypes", "left_out", "mistaken", "naming", "notebook")}
    said = []
    runner = doctest.DocTestRunner(verbose=False)
    for found in doctest.DocTestFinder().find(module, globs={"np": np, "gpunn": gpunn, "nn": nn, "ops": ops, **own}):
        gpunn.manual_seed(0)
        runner.run(found, out=said.append)
    assert runner.tries and not runner.failures, "".join(said)

"""The modules of torch.utils.data that scripts import from give gpunn's classes."""

import importlib

import pytest

from gpunn import data
from gpunn.utils import data as theirs
from tests.parity import torch


@pytest.mark.parametrize("name", ["dataloader", "dataset", "distributed", "sampler"])
def test_names_are_those_of_gpunn_data_and_pytorchs(name):
    ours = importlib.import_module(f"gpunn.utils.data.{name}")
    pytorchs = importlib.import_module(f"{torch().__name__}.utils.data.{name}")
    names = [name for name in dir(ours) if name[0] != "_"]
    assert names and ours is getattr(theirs, name)
    assert all(getattr(ours, name) is getattr(data, name) and hasattr(pytorchs, name) for name in names)

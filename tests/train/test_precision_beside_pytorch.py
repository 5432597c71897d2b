"""What 16 bits cost in a network's gradients: no more than PyTorch's autocast costs, which tells rounding from a fault.

Accuracies of whole trainings cannot: two seeds of one precision differ by more than two precisions do.
"""

import os

import numpy as np
import pytest

import gpunn
from bench.training import networks
from gpunn import ops
from gpunn.nn.state import copied


def our_gradients(weights, x, y, precision):
    model = networks.our_model(NETWORK, 0)
    model.load_state_dict(weights)
    with gpunn.precision(precision):
        loss = ops.cross_entropy(model(gpunn.Tensor(x)), y)
        loss.backward()
    return [p.gradient.astype(np.float64) for p in model.parameters()]


def torchs_gradients(torch, weights, x, y, dtype):
    model = networks.torch_model(NETWORK, weights)
    with torch.autocast("cpu", dtype=dtype, enabled=dtype is not torch.float32):
        loss = torch.nn.functional.cross_entropy(model(torch.from_numpy(x)), torch.from_numpy(y))
    loss.backward()
    return [p.grad.numpy().astype(np.float64) for p in model.parameters()]


def distance(found, exact):
    """Of all gradients as one vector, over the exact one's length."""
    off = sum([((a - b) ** 2).sum() for a, b in zip(found, exact, strict=True)])
    return np.sqrt(off / sum([(b**2).sum() for b in exact]))


NETWORK = networks.Network("resnet20", (8, 3, 16, 16))


@pytest.mark.skipif(not os.environ.get("CI"), reason="seconds of PyTorch in bf16: in CI")
def test_gradients_of_resnet20_in_bf16_are_as_near_to_float32s_as_pytorchs():
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    weights = {name: value.copy() for name, value in copied(networks.our_model(NETWORK, 0)).items()}
    rng, ours, theirs = np.random.default_rng(0), [], []
    for _ in range(3):
        x, y = rng.standard_normal(NETWORK.batch).astype(np.float32), rng.integers(0, 10, 8)
        exact = torchs_gradients(torch, weights, x, y, torch.float32)
        assert distance(our_gradients(weights, x, y, "fp32"), exact) < 1e-5
        ours.append(distance(our_gradients(weights, x, y, "bf16"), exact))
        theirs.append(distance(torchs_gradients(torch, weights, x, y, torch.bfloat16), exact))
    assert 0.01 < np.mean(ours) < 1.3 * np.mean(theirs), (ours, theirs)

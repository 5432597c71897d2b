"""Gradient clipping against PyTorch, and its errors."""

import math

import numpy as np
import pytest

from gpunn import nn, optim
from gpunn.engine.tensor import Tensor
from gpunn.errors import TrainingError


def parameters(seed=0):
    rng = np.random.default_rng(seed)
    params = [Tensor(np.zeros(s, np.float32), requires_grad=True) for s in [(5, 4), (3,), (2,)]]
    for p in params[:2]:  # the last one has no gradient
        p.gradient = rng.standard_normal(p.shape).astype(np.float32)
    return params


@pytest.mark.parametrize("norm_type", [1.0, 2.0, math.inf])
@pytest.mark.parametrize("max_norm", [0.5, 100.0])
def test_norm_equals_pytorch(max_norm, norm_type):
    torch = pytest.importorskip("torch", reason="PyTorch is the reference")
    mine = parameters()
    theirs = [torch.nn.Parameter(torch.zeros(p.shape)) for p in mine]
    for p, q in zip(mine[:2], theirs[:2], strict=True):
        q.grad = torch.tensor(p.grad)
    total = optim.clip_grad_norm_(mine, max_norm, norm_type)
    want = torch.nn.utils.clip_grad_norm_(theirs, max_norm, norm_type)
    assert float(total) == pytest.approx(float(want), rel=1e-6)
    for p, q in zip(mine[:2], theirs[:2], strict=True):
        assert p.gradient.dtype == np.float32
        np.testing.assert_allclose(p.gradient, q.grad.numpy(), rtol=1e-6)
    assert mine[2].gradient is None


def test_norm_reaches_the_limit():
    params = parameters()
    optim.clip_grad_norm_(params, 0.5)
    assert float(optim.grad_norm(params)) == pytest.approx(0.5, rel=1e-5)


def test_value():
    params = parameters()
    optim.clip_grad_value_(iter(params), 0.25)
    assert max(float(abs(p.gradient).max()) for p in params[:2]) == 0.25


def test_one_tensor_and_no_gradient():
    p = Tensor(np.ones(3), requires_grad=True)
    assert optim.clip_grad_norm_(p, 1.0) == 0.0


def test_not_finite():
    params = parameters()
    params[0].gradient[0] = np.inf
    kept = params[1].gradient.copy()
    with pytest.raises(TrainingError, match="clip_grad_norm_: the gradients' norm is inf, expected a finite number"):
        optim.clip_grad_norm_(params, 1.0, error_if_nonfinite=True)
    assert np.array_equal(params[1].gradient, kept)
    with pytest.raises(ValueError, match=r"clip_grad_norm_: max_norm must be a number > 0, got 0; usual: 1.0"):
        optim.clip_grad_norm_(params, 0)
    with pytest.raises(ValueError, match=r"clip_grad_value_: clip_value must be a number > 0, got -1"):
        optim.clip_grad_value_(params, -1)


def test_words_about_what_was_given():
    params = parameters()
    with pytest.raises(TypeError, match=r"clip_grad_norm_: max_norm must be a number > 0, got '1.0'; usual: 1.0"):
        optim.clip_grad_norm_(params, "1.0")
    with pytest.raises(TypeError, match=r"grad_norm: norm_type must be a number, or 'inf', got None; usual: 2.0"):
        optim.grad_norm(params, None)
    with pytest.raises(TypeError, match=r"clip_grad_norm_: parameters is a Linear, .*; pass model.parameters\(\)"):
        optim.clip_grad_norm_(nn.Linear(2, 2), 1.0)
    assert float(optim.clip_grad_norm_(params, math.inf, "inf")) == max(
        float(abs(p.gradient).max()) for p in params[:2]
    )

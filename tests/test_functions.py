"""PyTorch's functions at the top of the package: values, names of arguments, arrays, `out`."""

import inspect

import numpy as np
import pytest

import gpunn
from gpunn import functions, ops
from gpunn.naming import words
from gpunn.nn import functional
from tests.parity import torch

X = np.array([[1.0, -2.0, 3.0], [4.0, 0.5, -6.0]], np.float32)
CALLS = {
    "sums": lambda t, x: t.sum(x, dim=1, keepdim=True),
    "of all": lambda t, x: t.mean(input=x),
    "both of max": lambda t, x: t.max(x, 1),
    "both of min by name": lambda t, x: t.min(x, dim=0, keepdim=True),
    "the greatest": lambda t, x: t.max(x),
    "of two": lambda t, x: t.maximum(x, t.zeros_like(x)),
    "where": lambda t, x: t.where(x > 0, input=x, other=t.zeros_like(x)),
    "joined": lambda t, x: t.cat((x, x), dim=1),
    "joined by name": lambda t, x: t.stack(tensors=[x, x], dim=0),
    "clamped": lambda t, x: t.clamp(x, min=-1, max=2),
    "compared": lambda t, x: t.eq(x, 4.0),
    "a power": lambda t, x: t.pow(x, exponent=2),
    "of a number": lambda t, x: t.pow(2, x),
    "flat": lambda t, x: t.flatten(x),
    "many at once": lambda t, x: t.einsum("ij,ij->i", x, x) + t.meshgrid(x[0, :2], x[1], indexing="ij")[1].sum(1),
    "turned": lambda t, x: t.permute(x, (1, 0)),
    "squeezed": lambda t, x: t.squeeze(t.unsqueeze(x, dim=0), 0),
    "in other words": lambda t, x: t.add(input=x, other=1.0),
    "softmax": lambda t, x: t.softmax(x, dim=1, dtype=t.float64),
    "matmul": lambda t, x: t.matmul(x, other=x.T),
    "turned by name": lambda t, x: t.flip(x, dims=(0, 1)),
    "rolled by name": lambda t, x: t.roll(x, shifts=1, dims=0),
    "a grid": lambda t, x: t.meshgrid(x[0], x[1], indexing="ij"),
    "sums in letters": lambda t, x: t.einsum("ij,kj->ik", x, x),
    "of two dimensions": lambda t, x: t.atleast_2d(x[0]),
    "in place": lambda t, x: t.exp_(x + 0),
    "norms": lambda t, x: t.linalg.norm(x, dim=1),
    "norms of order 1": lambda t, x: t.linalg.vector_norm(x, ord=1, dim=0, keepdim=True),
    "of anything": lambda t, x: t.asarray([1, 2], dtype=t.float32),
    "layers": lambda t, x: t.relu(t.conv1d(x[None], t.ones(1, 2, 2))),
    "dropped": lambda t, x: t.dropout(x, 0.5, train=False),
    "the same": lambda t, x: t.tensor(t.equal(x, x + 0) and not t.equal(x, x[:1])),
    "kinds": lambda t, x: t.tensor([t.is_tensor(x), t.is_floating_point(x), t.is_complex(x), t.numel(x) == 6]),
    "limits": lambda t, x: t.tensor([float(t.finfo(t.float32).eps), t.iinfo(t.int8).max]),
}


def several(y):
    return y if isinstance(y, tuple) else (y,)


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_values_are_pytorchs_of_tensors_and_arrays(call):
    want = several(call(torch(), torch().tensor(X)))
    got = several(call(gpunn, gpunn.tensor(X)))
    assert len(got) == len(want)
    for mine, their in zip(got, want, strict=True):
        assert isinstance(mine, gpunn.Tensor) and str(their.dtype) == f"torch.{mine.dtype}"
        np.testing.assert_allclose(np.asarray(mine), their.numpy(), rtol=1e-6)


def test_arrays_make_arrays_by_the_same_rule():
    values, places = gpunn.max(X, 1)
    assert type(values) is np.ndarray and values.tolist() == [3, 4] and places.tolist() == [2, 0]
    assert type(gpunn.exp(X)) is np.ndarray and type(gpunn.cat([X, X])) is np.ndarray


def test_gradients_flow():
    x = gpunn.tensor(X, requires_grad=True)
    gpunn.sum(gpunn.exp(x) * 2).backward()
    np.testing.assert_allclose(np.asarray(x.grad), 2 * np.exp(X), rtol=1e-6)


def test_out_takes_the_values():
    x, y = gpunn.tensor(X), gpunn.zeros(2, 3)
    assert gpunn.exp(x, out=y) is y
    np.testing.assert_allclose(np.asarray(y), np.exp(X), rtol=1e-6)
    assert gpunn.add(x, 1.0, out=y) is y and y[0, 0] == 2
    with pytest.raises(ValueError, match=r"exp: out is \(2, 2\), expected \(2, 3\); make it with empty\(2, 3\)"):
        gpunn.exp(x, out=gpunn.zeros(2, 2))
    with pytest.raises(RuntimeError, match="exp: out is given while an input requires a gradient"):
        gpunn.exp(gpunn.tensor(X, requires_grad=True), out=y)


def test_norms_and_decompositions_that_are_elsewhere():
    with pytest.raises(ValueError, match=r"norm: ord is 1 for matrices \(2, 3\), expected None or 'fro'"):
        gpunn.linalg.norm(gpunn.tensor(X), 1)
    with pytest.raises(AttributeError, match=r"gpunn.linalg has no 'svd'; take numpy.linalg's"):
        gpunn.linalg.svd  # noqa: B018
    with pytest.raises(ValueError, match=r"asarray: copy is False, but a list takes one here; leave copy out"):
        gpunn.asarray([1.0], copy=False)
    x = gpunn.tensor([1.0], requires_grad=True)
    assert gpunn.asarray(x * 2, requires_grad=False).is_leaf and gpunn.asarray(x) is x


@pytest.mark.parametrize("name", functions.names())
def test_every_name_is_pytorchs_and_says_what_it_does(name):
    function = getattr(gpunn, name)
    assert hasattr(torch(), name) and function.__name__ == name and function.__doc__
    assert name in dir(gpunn)


# Whose arguments at PyTorch's top are others: those of torch.nn.functional are in gpunn.nn.functional.
APART = {
    *words(
        "gru lstm gradient alpha_dropout batch_norm binary_cross_entropy_with_logits cosine_embedding_loss ctc_loss"
    ),
    *words("ctc_loss embedding feature_alpha_dropout hinge_embedding_loss instance_norm kl_div margin_ranking_loss"),
    *words("poisson_nll_loss rrelu triplet_margin_loss"),
}


def test_every_op_and_method_of_a_name_of_pytorchs_is_there():
    """Whoever adds one finds its name missing in gpunn/functions.py or gpunn/nn/functional.py."""
    t = torch()
    ours = {name for kind in (ops, gpunn.Tensor) for name, value in inspect.getmembers(kind) if callable(value)}
    top = {name for name in ours if name[0] != "_" and callable(getattr(t, name, None))} - APART
    assert not [name for name in sorted(top) if not hasattr(gpunn, name)]
    layers = {name for name in dir(ops) if name[0] != "_" and callable(getattr(t.nn.functional, name, None))}
    assert not [name for name in sorted(layers - {"multi_head_attention_forward"}) if not hasattr(functional, name)]


def test_types_of_numbers():
    assert gpunn.result_type(gpunn.ones(1, dtype="int32"), 1.5) == np.float32
    assert gpunn.promote_types(gpunn.uint8, gpunn.int8) == np.int16
    assert gpunn.is_floating_point(gpunn.float16) and not gpunn.is_floating_point(np.ones(1, int))
    assert gpunn.is_nonzero(gpunn.tensor([1])) and gpunn.float == np.float32 and gpunn.long == np.int64
    assert gpunn.ones(1, 1).is_nonzero() and not gpunn.tensor(0).is_nonzero() and not gpunn.ones(1).is_complex()
    for ask in (gpunn.is_nonzero, gpunn.Tensor.is_nonzero):
        with pytest.raises(ValueError, match=r"is_nonzero: input is \(2,\), expected one element"):
            ask(gpunn.ones(2))

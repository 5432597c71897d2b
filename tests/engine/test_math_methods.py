"""Tensor's mathematical methods against those of PyTorch's tensors: values, dtypes, shapes and gradients."""

import numpy as np
import pytest

import gpunn
from gpunn import Tensor
from tests.parity import normal, torch

X, Y = normal(4, 5), normal(4, 5, seed=1)
UNARY = (
    "sin cos tan atan sinh cosh asinh exp exp2 expm1 square erf erfc abs neg sign floor ceil trunc frac tanh sigmoid "
    "relu reciprocal nan_to_num round isnan isinf isfinite logical_not sum mean prod nansum nanmean any all var std "
    "norm amax amin argmax argmin max min median count_nonzero sort argsort mode absolute negative arctan arcsinh fix"
)
POSITIVE = "log log1p log2 log10 sqrt rsqrt acosh"
BINARY = (
    "add sub mul div atan2 hypot logaddexp remainder fmod floor_divide maximum minimum max min lt le gt ge eq ne "
    "isclose logical_and logical_or logical_xor"
)
BINARY += " __floordiv__ __mod__ __truediv__ __rfloordiv__ __rmod__ clamp_min clamp_max"
ALONG = "sum mean prod nansum nanmean any all amax amin argmax argmin max min median var std cumsum cumprod sort"
ALONG += " argsort logsumexp softmax log_softmax mode count_nonzero"
CALLS = {
    **{name: (name, X) for name in UNARY.split()},
    **{name: (name, np.abs(X) + 1) for name in POSITIVE.split()},
    **{f"{name} of two": (name, X, Y) for name in BINARY.split()},
    **{f"{name} along 1": (name, X, 1) for name in ALONG.split()},
    "asin": ("asin", X / 4),
    "acos": ("acos", X / 4),
    "atanh": ("atanh", X / 4),
    "round, decimals": ("round", X, dict(decimals=2)),
    "clamp": ("clamp", X, -0.5, 0.5),
    "clamp, min": ("clamp", X, dict(min=0.1)),
    "clamp by tensors": ("clamp", X, Y, Y + 1),
    "clip": ("clip", X, 0, 1),
    "add, alpha": ("add", X, Y, dict(alpha=3)),
    "sub, alpha": ("sub", X, Y, dict(alpha=0.5)),
    "div, floor": ("div", X, Y, dict(rounding_mode="floor")),
    "pow": ("pow", X, 3),
    "lerp": ("lerp", X, Y, 0.25),
    "addcmul": ("addcmul", X, Y, Y, dict(value=2)),
    "addcdiv": ("addcdiv", X, Y, Y + 9, dict(value=2)),
    "sum, several": ("sum", X, (0, 1), True),
    "sum, dtype": ("sum", X, dict(dim=1, dtype="float32")),
    "mean, keepdim": ("mean", X, dict(dim=0, keepdim=True)),
    "std, older words": ("std", X, 0, False),
    "std, unbiased": ("std", X, dict(unbiased=False)),
    "var, correction": ("var", X, dict(dim=1, correction=0, keepdim=True)),
    "norm, 1": ("norm", X, 1, 1),
    "norm, 3": ("norm", X, dict(p=3, dim=0, keepdim=True)),
    "max, keepdim": ("max", X, 0, True),
    "min, by name": ("min", X, dict(dim=-1, keepdim=True)),
    "topk": ("topk", X, 2),
    "topk, smallest": ("topk", X, 3, 0, False),
    "kthvalue": ("kthvalue", X, 2, 0),
    "sort, descending": ("sort", X, dict(dim=0, descending=True)),
    "argmax, keepdim": ("argmax", X, dict(dim=1, keepdim=True)),
    "softmax, dtype": ("softmax", X, dict(dim=1, dtype="float32")),
    "histc": ("histc", X, 4, -1, 1),
    "and": ("__and__", X > 0, Y > 0),
    "or": ("__or__", X > 0, Y > 0),
    "xor": ("__xor__", X > 0, Y > 0),
    "not": ("__invert__", X > 0),
    "and of integers": ("__and__", np.arange(6), np.arange(6)[::-1].copy()),
    "not of integers": ("bitwise_not", np.arange(6)),
    "bincount": ("bincount", np.array([1, 3, 1])),
    "sin of integers": ("sin", np.arange(5)),
    "sum of integers": ("sum", np.arange(5, dtype=np.int32)),
    "remainder of integers": ("__mod__", np.arange(-5, 5), 3),
    "quotient of integers": ("__floordiv__", np.arange(-5, 5), 3),
    "unique, counts": ("unique", np.array([[3, 1], [3, 2]]), dict(return_inverse=True, return_counts=True)),
}


def called(make, name, first, *rest):
    options = rest[-1] if rest and isinstance(rest[-1], dict) else {}
    given = [make(a) if isinstance(a, np.ndarray) else a for a in (first, *(rest[:-1] if options else rest))]
    found = getattr(given[0], name)(*given[1:], **options)
    return given, [*found] if isinstance(found, tuple) else [found]


def theirs(a):
    return torch().tensor(a, requires_grad=a.dtype.kind == "f")


@pytest.mark.parametrize("name", CALLS)
def test_method(name):
    def translated(x):
        return {k: getattr(torch(), v) if k == "dtype" else v for k, v in x.items()} if isinstance(x, dict) else x

    mine, got = called(lambda a: Tensor(a, requires_grad=a.dtype.kind == "f"), *CALLS[name])
    other, want = called(theirs, *map(translated, CALLS[name]))
    for y, wanted in zip(got, want, strict=True):
        assert isinstance(y, Tensor)
        assert str(y.dtype) == str(wanted.dtype).removeprefix("torch.")
        rounding = 1e-6 if wanted.dtype == torch().float32 else 1e-12
        np.testing.assert_allclose(y.detach().numpy(), wanted.detach().numpy(), rtol=rounding)
    if want[0].requires_grad and "floor_divide" not in name and "floordiv" not in name:
        (got[0] * 3).sum().backward()
        (want[0] * 3).sum().backward()
        for a, b in zip(mine, other, strict=True):
            if isinstance(a, Tensor) and b.grad is not None:
                np.testing.assert_allclose(np.asarray(a.gradient), b.grad.numpy(), rtol=rounding, atol=rounding)


def test_max_of_a_dim_is_a_pair_and_of_an_axis_the_values():
    x = Tensor(X)
    values, indices = x.max(1)
    assert np.array_equal(values, X.max(1)) and np.array_equal(indices, X.argmax(1))
    assert x.max(dim=1).indices.tolist() == x.max(1).indices.tolist() == x.max(np.int64(1)).indices.tolist()
    for alone in (x.max(axis=1), x.amax(1), gpunn.ops.max(x, 1), x.max((1,))):
        assert isinstance(alone, Tensor) and np.array_equal(alone, X.max(1))
    assert x.max(axis=1, keepdims=True).shape == (4, 1) and x.max(keepdims=True).shape == (1, 1)
    assert np.array_equal(x.max(other=Tensor(Y)), np.maximum(X, Y)) and np.array_equal(x.min(Y), np.minimum(X, Y))
    with pytest.raises(TypeError, match="max: got both dim 0 and axis 1, two names of one argument; pass one"):
        x.max(0, axis=1)


OTHER_NAMES = "subtract multiply divide true_divide arctan2 not_equal less less_equal greater greater_equal"


@pytest.mark.parametrize("name", OTHER_NAMES.split())
def test_other_names(name):
    want = getattr(torch().tensor(X), name)(torch().tensor(Y))
    np.testing.assert_allclose(getattr(Tensor(X), name)(Y).numpy(), want.numpy())


def test_equal_is_one_bool():
    x = Tensor(X)
    assert x.equal(Tensor(X)) is True and x.equal(Tensor(Y)) is False and x.equal(Tensor(X[:2])) is False
    assert x.allclose(Tensor(X + 1e-9)) is True


def test_operators_in_place():
    x = Tensor(np.array([7, -7]))
    y = x
    x //= 2
    x %= 3
    assert x is y and x.tolist() == [0, 2]
    x |= 4
    x ^= 1
    x &= 6
    assert x.tolist() == [4, 6]


def test_methods_in_place_change_memory():
    a = np.array([-1.5, 0.25, 2.5])
    for name, args in {"clamp_": (-1, 1), "floor_": (), "square_": (), "lerp_": (np.zeros(3), 0.5)}.items():
        x = Tensor(a.copy())
        held = x.array
        assert getattr(x, name)(*args) is x and x.array is held
        np.testing.assert_array_equal(held, getattr(Tensor(a), name[:-1])(*args).numpy())

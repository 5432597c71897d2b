"""Some hundred random geometries against PyTorch, small and odd; a failure names its seed."""

import numpy as np
import pytest

from gpunn import ops
from tests.parity import compare, torch

ROUNDS = 12  # geometries a test, so that the list of tests stays readable


def rounds(seed):
    for turn in range(ROUNDS):
        yield np.random.default_rng((seed, turn))


def pick(rng, *choices):
    return choices[rng.integers(len(choices))]


def conv_geometry(rng, rank):
    """(x shape, w shape, options) with at least one output."""
    groups = pick(rng, 1, 1, 1, 2, 3)
    channels, filters = groups * int(rng.integers(1, 6)), groups * int(rng.integers(1, 6))
    size = tuple(int(n) for n in rng.integers(1, 5, rank))
    stride = tuple(int(n) for n in rng.integers(1, 5, rank))
    dilation = tuple(int(n) for n in rng.integers(1, 4, rank))
    padding = tuple(int(n) for n in rng.integers(0, 4, rank))
    spatial = tuple(
        max(1, d * (s - 1) + 1 - 2 * p) + int(rng.integers(0, 8 if rank < 3 else 4))
        for s, d, p in zip(size, dilation, padding, strict=True)
    )
    x, w = (int(rng.integers(1, 4)), channels, *spatial), (filters, channels // groups, *size)
    return x, w, {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups}


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("rank", [1, 2, 3])
def test_conv(rank, seed):
    ours, theirs = getattr(ops, f"conv{rank}d"), getattr(torch().nn.functional, f"conv{rank}d")
    for rng in rounds(100 * rank + seed):
        x, w, options = conv_geometry(rng, rank)
        dtype = pick(rng, np.float32, np.float64)
        arrays = [rng.standard_normal(s) for s in (x, w, w[:1])]
        compare(
            lambda *a, o=options: ours(*a, **o), lambda *a, o=options: theirs(*a, **o), *arrays, dtype=dtype, terms=500
        )


@pytest.mark.parametrize("seed", range(8))
def test_conv_transpose2d(seed):
    theirs = torch().nn.functional.conv_transpose2d
    for rng in rounds(1000 + seed):
        groups = pick(rng, 1, 1, 2, 3)
        size, stride, dilation = (tuple(int(n) for n in rng.integers(1, 5, 2)) for _ in range(3))
        padding = tuple(int(rng.integers(0, d * (s - 1) // 2 + 1)) for s, d in zip(size, dilation, strict=True))
        output_padding = tuple(int(rng.integers(0, max(s, d))) for s, d in zip(stride, dilation, strict=True))
        x = (
            int(rng.integers(1, 3)),
            groups * int(rng.integers(1, 4)),
            int(rng.integers(1, 6)),
            int(rng.integers(1, 6)),
        )
        w = (x[1], int(rng.integers(1, 4)), *size)
        options = {
            "stride": stride,
            "padding": padding,
            "output_padding": output_padding,
            "groups": groups,
            "dilation": dilation,
        }
        arrays = [rng.standard_normal(s) for s in (x, w, (w[1] * groups,))]
        compare(
            lambda *a, o=options: ops.conv_transpose2d(*a, **o),
            lambda *a, o=options: theirs(*a, **o),
            *arrays,
            terms=500,
        )


@pytest.mark.parametrize("seed", range(16))
@pytest.mark.parametrize("kind", ["max", "avg"])
def test_pool(kind, seed):
    name = f"{kind}_pool2d"
    ours, theirs = getattr(ops, name), getattr(torch().nn.functional, name)
    for rng in rounds(2000 + seed):
        size, stride = (tuple(int(n) for n in rng.integers(1, 6, 2)) for _ in range(2))
        padding = tuple(int(rng.integers(0, s // 2 + 1)) for s in size)
        dilation = tuple(int(n) for n in rng.integers(1, 4, 2)) if kind == "max" else (1, 1)
        spatial = tuple(
            max(1, d * (s - 1) + 1 - 2 * p) + int(rng.integers(0, 9))
            for s, d, p in zip(size, dilation, padding, strict=True)
        )
        options = {"kernel_size": size, "stride": stride, "padding": padding, "ceil_mode": bool(rng.integers(2))}
        options |= {"dilation": dilation} if kind == "max" else {"count_include_pad": bool(rng.integers(2))}
        x = rng.integers(-9, 9, (int(rng.integers(1, 4)), int(rng.integers(1, 8)), *spatial)) / 2
        dtype = pick(rng, np.float32, np.float64)
        if np.isneginf(theirs(torch().tensor(x), **options).numpy()).any():
            # A dilated window with no tap inside: both give -inf, and PyTorch's gradient has no place to go.
            assert np.isneginf(ours(x, **options)).any()
            continue
        compare(lambda a, o=options: ours(a, **o), lambda a, o=options: theirs(a, **o), x, dtype=dtype, terms=60)


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("kind", ["max", "avg"])
def test_adaptive_pool(kind, seed):
    name = f"adaptive_{kind}_pool2d"
    ours, theirs = getattr(ops, name), getattr(torch().nn.functional, name)
    for rng in rounds(3000 + seed):
        x = rng.standard_normal((2, int(rng.integers(1, 6)), *rng.integers(1, 14, 2)))
        out = tuple(int(n) for n in rng.integers(1, 9, 2))
        compare(lambda a, o=out: ours(a, o), lambda a, o=out: theirs(a, o), x, terms=60)


@pytest.mark.parametrize("seed", range(10))
@pytest.mark.parametrize("training", [True, False], ids=["train", "eval"])
def test_batch_norm(training, seed):
    t = torch()
    for rng in rounds(4000 + seed):
        shape = (
            int(rng.integers(1, 6)),
            int(rng.integers(1, 9)),
            *(int(n) for n in rng.integers(1, 6, rng.integers(0, 4))),
        )
        if int(np.prod(shape)) // shape[1] < 3:
            shape = (shape[0] + 3, *shape[1:])
        x, offset = rng.standard_normal(shape), float(pick(rng, 0, 0, 5))
        mean, var = rng.standard_normal(shape[1]), rng.uniform(0.5, 2, shape[1])
        their_mean, their_var = t.tensor(mean), t.tensor(var)
        w, b = rng.standard_normal(shape[1]), rng.standard_normal(shape[1])
        eps, momentum = float(pick(rng, 1e-5, 1e-3, 0.1)), float(pick(rng, 0.1, 0.5))
        compare(
            lambda *a, m=mean, v=var, e=eps, mo=momentum: ops.batch_norm(a[0], m, v, *a[1:], training, mo, e),
            lambda *a, m=their_mean, v=their_var, e=eps, mo=momentum: t.nn.functional.batch_norm(
                a[0], m, v, *a[1:], training, mo, e
            ),
            x + offset,
            w,
            b,
            terms=4000,
        )
        np.testing.assert_allclose(mean, their_mean.numpy(), rtol=1e-12, atol=1e-13)
        np.testing.assert_allclose(var, their_var.numpy(), rtol=1e-12)

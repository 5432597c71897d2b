"""examples/convolve.py against NumPy, SciPy and the definition of an adjoint."""

import re

import numpy as np
import pytest

import gpunn
from tests.examples.test_examples import load

DTYPES = pytest.mark.parametrize("dtype", ["float64", "complex128"])
SHAPES = {1: ((7,), (3,)), 2: ((6, 5), (2, 3)), 3: ((4, 3, 5), (2, 3, 1))}
MODES = pytest.mark.parametrize("mode", ["full", "valid"])
RANKS = pytest.mark.parametrize("rank", SHAPES)


@pytest.fixture(params=["cpu", "emulator"])
def there(request):
    """Takes an array to a device."""
    if not gpunn.is_available(request.param):
        pytest.skip("the emulator is not available here (gpunn doctor says why)")
    return lambda a: gpunn.to_device(a, request.param)


def drawn(*shape, dtype="complex128", seed=0):
    rng = np.random.default_rng((seed, *shape))
    a = rng.standard_normal(shape) + 1j * rng.standard_normal(shape)
    return a.astype(dtype) if dtype[0] == "c" else a.real.astype(dtype)


def by_hand(data, filt, mode, strides):
    """Single-channel, tap by tap."""
    m, n = data.shape[-filt.ndim :], filt.shape
    y = np.zeros((*data.shape[: data.ndim - filt.ndim], *[a + b - 1 for a, b in zip(m, n, strict=True)]), data.dtype)
    for tap in np.ndindex(*n):
        y[(..., *[slice(t, t + size) for t, size in zip(tap, m, strict=True)])] += filt[tap] * data
    if mode == "valid":
        y = y[(..., *[slice(b - 1, a) for a, b in zip(m, n, strict=True)])]
    return y[(..., *[slice(None, None, s) for s in strides])]


@DTYPES
@MODES
@RANKS
def test_values_of_one_channel_and_of_several(rank, mode, dtype, there):
    convolve = load("convolve").convolve
    m, n = SHAPES[rank]
    for strides in (None, [2, 1, 2][:rank]):
        data, filt = drawn(2, *m, dtype=dtype), drawn(*n, dtype=dtype)
        want = by_hand(data, filt, mode, strides or [1] * rank)
        y = convolve(there(data), there(filt), mode, strides)
        assert type(y) is type(there(data)) and y.dtype == dtype
        np.testing.assert_allclose(gpunn.to_numpy(y), want, rtol=0, atol=1e-13 * np.abs(want).max() + 1e-13)
        data, filt = drawn(2, 3, *m, dtype=dtype), drawn(4, 3, *n, dtype=dtype)
        want = np.stack(
            [sum(by_hand(data[:, c], k[c], mode, strides or [1] * rank) for c in range(3)) for k in filt], axis=1
        )
        y = convolve(there(data), there(filt), mode, strides, multi_channel=True)
        np.testing.assert_allclose(gpunn.to_numpy(y), want, rtol=0, atol=1e-12)


@DTYPES
@MODES
@RANKS
def test_values_are_scipys(rank, mode, dtype):
    signal = pytest.importorskip("scipy.signal", reason="SciPy is not installed (extra dev)")
    data, filt = (drawn(*shape, dtype=dtype) for shape in SHAPES[rank])
    y = load("convolve").convolve(data, filt, mode)
    for theirs in (signal.convolve, signal.fftconvolve):
        np.testing.assert_allclose(y, theirs(data, filt, mode), rtol=0, atol=1e-12)


@DTYPES
@MODES
@RANKS
def test_adjoints(rank, mode, dtype, there):
    """<A x, y> = <x, A* y> for data and for filt."""
    example = load("convolve")
    m, n = SHAPES[rank]
    for channels, strides in ((False, None), (True, [1, 2, 2][:rank])):
        data = drawn(2, *[3] * channels, *m, dtype=dtype)
        filt = drawn(*[4, 3][: 2 * channels], *n, dtype=dtype)
        y = gpunn.to_numpy(example.convolve(there(data), there(filt), mode, strides, channels))
        out = drawn(*y.shape, dtype=dtype, seed=1)
        back = example.convolve_data_adjoint(there(out), there(filt), data.shape, mode, strides, channels)
        taps = example.convolve_filter_adjoint(there(out), there(data), filt.shape, mode, strides, channels)
        assert back.shape == data.shape and taps.shape == filt.shape and back.dtype == taps.dtype == dtype
        left = np.vdot(y, out)
        for x, adjoint in ((data, back), (filt, taps)):
            assert abs(left - np.vdot(x, gpunn.to_numpy(adjoint))) <= 1e-14 * np.linalg.norm(y) * np.linalg.norm(out)


def test_what_it_refuses():
    convolve = load("convolve").convolve
    with pytest.raises(ValueError, match="mode is 'same', expected 'full' or 'valid'"):
        convolve(np.ones(5), np.ones(2), "same")
    with pytest.raises(ValueError, match=r"'valid' needs data \(2,\) as large as filt \(5,\)"):
        convolve(np.ones(2), np.ones(5), "valid")


def test_the_script(capsys):
    found = load("convolve").main([])
    assert found["float64"] < 1e-14 > found["complex128"] and max(found.values()) < 1e-5
    assert len(re.findall(r"differ by at most \de-\d\d", capsys.readouterr().out)) == 4

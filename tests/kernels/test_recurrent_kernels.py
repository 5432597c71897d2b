"""The persistent recurrent kernels: what they take, what they launch, and samples that are several tiles of a block."""

import os
from dataclasses import replace

import numpy as np
import pytest

from gpunn.backend import asarray, device
from gpunn.cuda import recurrent, recurrent_layer, recurrent_persistent, variants
from gpunn.cuda.device import EMULATOR
from gpunn.cuda.recurrent_persistent import LAYER_BACKWARD, LAYER_FORWARD, Layer
from gpunn.cuda.variants import use_variant
from gpunn.reference.close import assert_close

BOTH = pytest.mark.parametrize("operation", [LAYER_FORWARD, LAYER_BACKWARD], ids=lambda found: found.name)


def job(N=64, H=512, dtype="float32", mode="LSTM", gates=4, L=100):
    return Layer(dtype, True, N, H, L, gates, mode, False)


@pytest.fixture
def h200(monkeypatch):
    """A device of 132 multiprocessors, of 227 KB."""
    monkeypatch.setattr(variants, "multiprocessors", lambda device: 132)


@BOTH
def test_an_h200_is_filled_by_one_launch(operation, h200):
    variant, why = operation.choose(job(), EMULATOR)
    assert variant.name == "persistent16"
    assert why == "persistent4: its blocks wait for each other on 512 multiprocessors, this device has 132"
    (launch,) = variant.plan(job())
    assert launch.cooperative and launch.grid == (32, 4) and launch.shared_bytes == variant.shared(job()) <= 163 << 10
    assert operation.choose(job(N=16), EMULATOR)[0].name == "persistent4"  # 128 blocks of four samples
    (launch,) = operation.named("persistent16").plan(job(N=200))
    assert launch.grid == (32, 4)  # 13 tiles, of which a block takes 4 at most


@BOTH
def test_what_does_not_fit_goes_by_steps_and_says_why(operation, h200, monkeypatch):
    told = {
        "x is float64": job(dtype="float64"),
        "H = 513 is over 512 hidden units": job(H=513),
        "each step ends with a projection, by w_hr": replace(job(N=16), projected=True),
        "persistent16: a block would take 5 tiles of 16 samples at each step": job(N=257),
        "persistent16: a block would take 3 tiles of 16 samples at each step": job(N=129, dtype="bfloat16"),
    }
    for words, problem in told.items():
        variant, why = operation.choose(problem, EMULATOR)
        assert variant.name == "steps" and words in why
    monkeypatch.setattr(variants, "multiprocessors", lambda device: 108)
    variant, why = operation.choose(job(), EMULATOR)
    assert variant.name == "steps"
    assert "persistent16: its blocks wait for each other on 128 multiprocessors, this device has 108" in why


@BOTH
def test_a_device_with_little_shared_memory_is_told_once(operation, h200, monkeypatch):
    monkeypatch.setattr(variants, "shared_limit", lambda device, dynamic=False: 99 << 10)
    monkeypatch.setattr(variants, "_warned", set())
    told = r"persistent16 needs \d+ bytes of shared memory a block, this device has 101376"
    with pytest.warns(RuntimeWarning, match=told):
        assert operation.choose(job(), EMULATOR)[0].name == "steps"
    assert operation.choose(job(), EMULATOR)[0].name == "steps"
    assert operation.choose(job(H=256), EMULATOR)[0].name == "persistent16"


def test_a_block_takes_several_tiles_of_samples_one_after_the_other(emulator, monkeypatch):
    """To the bit what it makes of one; the last tile is not whole."""
    rng, L, N, H, G = np.random.default_rng(0), 3, 37, 18, 4

    def arrays(*shapes):
        return [asarray(rng.standard_normal(s).astype(np.float32), device=device("emulator")) for s in shapes]

    gates, w, states, cells, gy, gh, gc = arrays(
        (L, N, G * H), (G * H, H), (L + 1, N, H), (L + 1, N, H), (L, N, H), (N, H), (N, H)
    )
    found = []
    for most in (132, 2):
        monkeypatch.setattr(recurrent_persistent, "MULTIPROCESSORS", most)
        recurrent_layer._forward.cache_clear()
        recurrent_layer._backward.cache_clear()
        own = [a.copy() for a in (gates, states, cells, gh, gc)]
        ggates = np.zeros_like(gates)
        with use_variant(LAYER_FORWARD.name, "persistent16"), use_variant(LAYER_BACKWARD.name, "persistent16"):
            recurrent_layer.forward("LSTM", own[0], w, None, None, own[1], own[2], None, None, False, True)
            recurrent_layer.backward(
                "LSTM", gy, own[3], own[4], own[0], own[2], own[1], w, None, None, ggates, None, None, False, True
            )
        found.append([*own, ggates])
    recurrent_layer._forward.cache_clear()
    recurrent_layer._backward.cache_clear()
    for one, several in zip(*found, strict=True):
        np.testing.assert_array_equal(one, several)


@pytest.mark.skipif("CI" not in os.environ, reason="full size, two seconds: in CI")
@pytest.mark.parametrize("N, H, samples", [(16, 512, 16), (17, 500, 16), (3, 512, 4)])
def test_full_size_is_what_steps_give(N, H, samples, emulator, h200):
    rng, L = np.random.default_rng(0), 2

    def array(*shape):
        return asarray((rng.standard_normal(shape) / 16).astype(np.float32), device=device("emulator"))

    x, w_ih, w_hh, b = array(L, N, 8), array(4 * H, 8), array(4 * H, H), array(4 * H)
    found = []
    for way in ("steps", f"persistent{samples}"):
        with use_variant(LAYER_FORWARD.name, way), use_variant(LAYER_BACKWARD.name, way):
            y, h, c, *kept = recurrent.forward("LSTM", x, None, None, w_ih, w_hh, b, b, None, None, False, True)
            grads = recurrent.backward("LSTM", x, y, h, c, *kept, w_ih, w_hh, None, None, False, (True,) * 7)
        found.append([a for a in (y, h, c, *kept, *grads) if a is not None])
    for want, got in zip(*found, strict=True):
        assert_close(got, want.astype(np.float64), L * 5 * H)

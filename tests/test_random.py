"""Philox4x32-10: the published numbers, and what the streams promise."""

import threading
import time

import numpy as np
import pytest

import gpunn
from gpunn.random import Generator, philox4x32


# Known answers published with Random123 (D. E. Shaw Research), kat_vectors, "philox4x32 10".
@pytest.mark.parametrize(
    ("counter", "key", "want"),
    [
        ([0] * 4, (0, 0), [0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8]),
        ([0xFFFFFFFF] * 4, (0xFFFFFFFF,) * 2, [0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD]),
        (
            [0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344],
            (0xA4093822, 0x299F31D0),
            [0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1],
        ),
    ],
)
def test_philox_gives_the_published_numbers(counter, key, want):
    assert philox4x32(np.array([counter], np.uint32), key).tolist() == [want]


def test_chunks_do_not_show():
    counter = np.zeros((40_000, 4), np.uint32)
    counter[:, 0] = np.arange(40_000)
    whole = philox4x32(counter, (1, 2))
    assert np.array_equal(whole[-3:], philox4x32(counter[-3:], (1, 2)))


def test_a_seed_repeats_and_streams_differ():
    assert np.array_equal(Generator(7).uniform(100), Generator(7).uniform(100))
    assert not np.array_equal(Generator(7).uniform(100), Generator(8).uniform(100))
    assert not np.array_equal(Generator(7, 0).uniform(100), Generator(7, 1).uniform(100))
    assert not np.array_equal(Generator(2**32).uniform(100), Generator(0).uniform(100))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_uniform_is_uniform_and_below_its_end(dtype):
    u = Generator(1).uniform((400, 500), -2.0, 3.0, dtype)
    assert u.dtype == dtype
    assert u.shape == (400, 500)
    assert -2 <= u.min() < -1.99 and 2.99 < u.max() < 3
    counts, _ = np.histogram(u, 20, (-2, 3))
    assert abs(counts - 10_000).max() < 6 * np.sqrt(10_000)


def test_uniform_never_rounds_up_to_its_end():
    assert Generator(0).uniform(200_000, 16777215.0, 16777216.0).max() < 16777216.0


def test_normal_has_its_moments():
    z = Generator(3).normal(200_000, mean=1.0, std=2.0, dtype=np.float64)
    centred = (z - 1) / 2
    assert abs(centred.mean()) < 0.01 and abs(centred.var() - 1) < 0.02 and abs((centred**4).mean() - 3) < 0.1


@pytest.mark.parametrize("n", [0, 1, 2, 1000])
def test_permutation_holds_each_number_once(n):
    assert sorted(Generator(5).permutation(n).tolist()) == list(range(n))


def test_state_goes_on_where_it_was():
    gpunn.manual_seed(11)
    gpunn.random.uniform(10)
    state = gpunn.random.get_state()
    want = gpunn.random.normal(10)
    gpunn.random.uniform(3)
    gpunn.random.set_state(state)
    assert np.array_equal(gpunn.random.normal(10), want)


def test_bad_seed_and_state_are_named():
    with pytest.raises(ValueError, match=r"manual_seed: got seed -1 .* expected 0 <= seed < 2\*\*64"):
        gpunn.manual_seed(-1)
    with pytest.raises(ValueError, match=r"set_state: got {'seed': 1}; expected"):
        gpunn.random.set_state({"seed": 1})


class Slow(int):
    """A size in whose middle another thread gets its turn."""

    def __neg__(self):
        time.sleep(0.02)
        return -int(self)


def test_threads_never_draw_the_same_numbers():
    drawn = []
    threads = [threading.Thread(target=lambda: drawn.append(gpunn.random.take(Slow(8)).counter)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(drawn) == [0, 2, 4, 6] and gpunn.random.get_state()["counter"] == 8

"""Random numbers that are the same on every device: Philox4x32-10, a function of (seed, stream, counter).

Source: Salmon, Moraes, Dror, Shaw, "Parallel random numbers: as easy as 1, 2, 3", SC 2011. A block of four 32-bit
numbers is a function of a 128-bit counter and a 64-bit key, so a GPU thread computes its own with no state to share.
"""

from __future__ import annotations

import math
import os
import threading
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import DTypeLike

from gpunn.scalars import as_int

_MULTIPLIERS = np.uint64(0xD2511F53), np.uint64(0xCD9E8D57)
_WEYL = 0x9E3779B9, 0xBB67AE85
_LOW = np.uint64(0xFFFFFFFF)
_32 = np.uint64(32)
DEVICES = "cpu", "cuda", "emulator"
# Blocks at a time: the eight temporaries of a round then stay in the cache.
_CHUNK = 1 << 14


def philox4x32(counter: np.ndarray, key: tuple[int, int]) -> np.ndarray:
    """Ten rounds of Philox4x32.

    Args:
        counter: uint32, shape (n, 4).
        key: two 32-bit numbers.

    Returns:
        uint32, shape (n, 4).
    """
    out = np.empty(counter.shape, dtype=np.uint32)
    for start in range(0, len(counter), _CHUNK):
        out[start : start + _CHUNK] = _rounds(counter[start : start + _CHUNK], key)
    return out


def _rounds(counter: np.ndarray, key: tuple[int, int]) -> np.ndarray:
    c0, c1, c2, c3 = counter.T.astype(np.uint64)
    k0, k1 = key
    for _ in range(10):
        p0, p1 = c0 * _MULTIPLIERS[0], c2 * _MULTIPLIERS[1]
        c0, c2 = (p1 >> _32) ^ c1 ^ np.uint64(k0), (p0 >> _32) ^ c3 ^ np.uint64(k1)
        c1, c3 = p1 & _LOW, p0 & _LOW
        k0, k1 = (k0 + _WEYL[0]) & 0xFFFFFFFF, (k1 + _WEYL[1]) & 0xFFFFFFFF
    return np.stack([c0, c1, c2, c3], axis=1).astype(np.uint32)


class Draw(NamedTuple):
    """Where numbers begin that a Generator gave away: whoever computes them, on whatever device, gets the same."""

    seed: int
    stream: int
    counter: int

    def uint32(self, shape: int | Sequence[int]) -> np.ndarray:
        """The first uniform 32-bit numbers from here on."""
        size = math.prod(_shape(shape))
        blocks = -(-size // 4)
        numbers = np.arange(self.counter, self.counter + blocks, dtype=np.uint64)
        counter = np.zeros((blocks, 4), dtype=np.uint32)
        counter[:, 0], counter[:, 1], counter[:, 2] = numbers & _LOW, numbers >> _32, self.stream
        key = self.seed & 0xFFFFFFFF, self.seed >> 32
        return philox4x32(counter, key).reshape(-1)[:size].reshape(_shape(shape))

    @property
    def signed(self) -> tuple[int, int, int]:
        """The three as 64-bit integers with a sign, which is what kernels take."""
        return self.seed - (self.seed >> 63 << 64), self.stream, self.counter


_claiming = threading.RLock()  # one for all: claims are short


def _renew_lock() -> None:
    global _claiming
    _claiming = threading.RLock()  # a forked child may have got it locked by a thread that it lacks


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renew_lock)


class Generator:
    """A stream of random numbers. Threads may share one: no two calls get the same numbers.

    Args:
        seed: 0 to 2**64 - 1. Two generators of one seed and stream give the same numbers. A device's name, which
            PyTorch has in this place, is one for `device`.
        stream: 0 to 2**32 - 1; streams of one seed are independent.
        device: taken as PyTorch's are, and without effect: the numbers are the same on every device.

    Examples:
        >>> generator = gpunn.Generator(device="cpu").manual_seed(3)
        >>> gpunn.rand(2, generator=generator).equal(gpunn.rand(2, generator=gpunn.Generator(3)))
        True
    """

    def __init__(self, seed: object = 0, stream: int = 0, device: object = "cpu"):
        if hasattr(seed, "type") or (isinstance(seed, str) and seed.partition(":")[0] in DEVICES):
            seed, device = 0, seed
        self.device = device
        self._seed("Generator", seed, stream)

    def _seed(self, name: str, seed: object, stream: object = 0) -> None:
        seed, stream = as_int(name, "seed", seed), as_int(name, "stream", stream)
        if not 0 <= seed < 2**64 or not 0 <= stream < 2**32:
            raise ValueError(
                f"{name}: got seed {seed} and stream {stream}; expected 0 <= seed < 2**64 and 0 <= stream < 2**32"
            )
        self._start_from(seed, stream, 0)

    def _start_from(self, seed: int, stream: int, counter: int) -> None:
        with _claiming:
            self.seed, self.stream, self.counter = seed, stream, counter

    def manual_seed(self, seed: int) -> Generator:
        """Start anew from a seed. Returns the generator."""
        self._seed("manual_seed", seed)
        return self

    def initial_seed(self) -> int:
        """The seed that it started from."""
        return self.seed

    def take(self, size: int) -> Draw:
        """Claim so many 32-bit numbers without computing them. Each call starts a fresh block of four."""
        with _claiming:
            draw = Draw(self.seed, self.stream, self.counter)
            self.counter += -(-size // 4)
            return draw

    def random_uint32(self, shape: int | Sequence[int]) -> np.ndarray:
        """Uniform 32-bit numbers. Each call starts a fresh block of four and takes as many as it needs."""
        return self.take(math.prod(_shape(shape))).uint32(shape)

    def uniform(
        self, shape: int | Sequence[int], low: float = 0.0, high: float = 1.0, dtype: DTypeLike = np.float32
    ) -> np.ndarray:
        """Uniform on [low, high): 24 random bits a number in float32, 53 in float64."""
        dtype = np.dtype(dtype)
        if dtype == np.float64:
            pairs = self.random_uint32((*_shape(shape), 2)).astype(np.float64)
            unit = (np.floor(pairs[..., 0] / 32) * 2.0**26 + np.floor(pairs[..., 1] / 64)) * 2.0**-53
        else:
            unit = (self.random_uint32(shape) >> np.uint32(8)).astype(np.float32) * np.float32(2.0**-24)
        y = (unit * unit.dtype.type(high - low) + unit.dtype.type(low)).astype(dtype, copy=False)
        # Rounding may reach `high` itself; the promise is "below".
        return np.minimum(y, np.nextafter(dtype.type(high), dtype.type(low))) if high > low else y

    def normal(
        self, shape: int | Sequence[int], mean: float = 0.0, std: float = 1.0, dtype: DTypeLike = np.float32
    ) -> np.ndarray:
        """Normally distributed, by Box and Muller's transform in float64."""
        pairs = self.random_uint32((*_shape(shape), 2)).astype(np.float64)
        radius = np.sqrt(-2 * np.log((pairs[..., 0] + 1) * 2.0**-32))
        return (mean + std * radius * np.cos(pairs[..., 1] * (2 * math.pi * 2.0**-32))).astype(dtype)

    def permutation(self, n: int) -> np.ndarray:
        """The numbers 0 to n - 1 in random order, int64."""
        words = self.random_uint32((n, 2)).astype(np.uint64)
        return np.argsort((words[:, 0] << _32) | words[:, 1], kind="stable")

    def get_state(self) -> dict[str, int]:
        """What ``set_state`` takes to go on from here: plain ints."""
        with _claiming:
            return {"seed": self.seed, "stream": self.stream, "counter": self.counter}

    def set_state(self, state: dict[str, int]) -> None:
        """Go on from where ``get_state`` was called.

        Raises:
            ValueError: a key is missing or no int.
        """
        try:
            values = {key: int(state[key]) for key in ("seed", "stream", "counter")}
        except (KeyError, TypeError, ValueError) as error:
            raise ValueError(
                f"set_state: got {state!r}; expected what get_state gave: a dict with the ints seed, stream and counter"
            ) from error
        self._start_from(**values)


def _shape(shape) -> tuple[int, ...]:
    return tuple(shape) if hasattr(shape, "__len__") else (shape,)


_global = Generator(0)


def manual_seed(seed: int) -> Generator:
    """Start the global stream, which initialisers and dropout draw from, anew, and return it."""
    return _global.manual_seed(seed)


def seed() -> int:
    """Start the global stream anew from a seed that nobody knows before, and return that."""
    chosen = int.from_bytes(os.urandom(7), "little")
    _global.manual_seed(chosen)
    return chosen


initial_seed = _global.initial_seed
take = _global.take
random_uint32 = _global.random_uint32
uniform = _global.uniform
normal = _global.normal
permutation = _global.permutation
get_state = get_rng_state = _global.get_state
set_state = set_rng_state = _global.set_state

"""Checks of the exercises on kernels."""

from __future__ import annotations

import re

import numpy as np
from lecture import NotYet, differs

from gpunn import emulator
from gpunn.errors import DeviceError


def check_1(element) -> str:
    blocks, threads = 3, 4
    owned = [element(b, t, k, blocks, threads) for k in range(2) for b in range(blocks) for t in range(threads)]
    if sorted(owned) != list(range(24)):
        twice = len(set(owned)) < len(owned)
        return f"in two turns of 3 blocks of 4 threads some elements are {'taken twice' if twice else 'left out'}"
    if owned[1] - owned[0] != 1:
        return "neighbouring threads should take neighbouring elements, so that a warp's load is coalesced"
    return differs(owned, np.arange(24), "the order of the elements")


def check_2(roofline) -> str:
    for M, N, K in ((4096, 4096, 4096), (64, 120, 400), (1, 1000, 1000)):
        answer = roofline(M, N, K)
        if not isinstance(answer, tuple) or len(answer) != 2:
            return "the answer should be a pair, the intensity and the seconds"
        intensity, seconds = answer
        flops, moved = 2 * M * N * K, 4 * (M * K + K * N + M * N)
        shape = f"for {M}x{K} times {K}x{N}"
        if hint := differs(intensity, flops / moved, f"{shape} the intensity"):
            return hint
        if hint := differs(seconds, max(flops / 55.6e12, moved / 4.23e12), f"{shape} the least time in seconds"):
            return hint
    return ""


def check_3(source) -> str:
    if not isinstance(source, str) or "add_up" not in source:
        return "the answer should be the text of a kernel of the name add_up"
    if "sum" not in re.sub(r"//.*|/\*.*?\*/", "", source.split("{", 1)[-1]):
        raise NotYet
    try:
        kernel = emulator.load(source, "add_up", filename="your kernel")
        x = np.random.default_rng(0).integers(-9, 9, 256).astype(np.float32)
        total = emulator.empty((1,), np.float32)
        with emulator.counting() as counts:
            kernel((1,), (256,), (x, total), strict=True)
    except (DeviceError, emulator.KernelError) as error:
        return str(error)
    if hint := differs(total, [x.sum()], "the sum"):
        return hint
    shared = counts["add_up"].shared_accesses
    return "" if shared else "it is right, but one thread did the work: share it, in shared memory"

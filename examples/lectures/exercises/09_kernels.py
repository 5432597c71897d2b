"""Checks of the exercises on kernels."""

from __future__ import annotations

import re

import numpy as np
from lecture import NotYet, differs

from gpunn import emulator
from gpunn.errors import DeviceError


def check_1(blocks_for) -> str:
    for n, threads in ((1, 256), (255, 256), (256, 256), (257, 256), (1000, 128)):
        blocks = blocks_for(n, threads)
        if not isinstance(blocks, int):
            return f"for {n} elements it gives {blocks!r}, which is no whole number"
        if blocks * threads < n:
            return f"{blocks} blocks of {threads} threads are too few for {n} elements"
        if (blocks - 1) * threads >= n:
            return f"{n} elements need fewer than {blocks} blocks of {threads} threads"
    return ""


def check_2(element) -> str:
    blocks, threads = 3, 4
    owned = [element(b, t, k, blocks, threads) for k in range(2) for b in range(blocks) for t in range(threads)]
    if sorted(owned) != list(range(24)):
        twice = sorted({i for i in owned if owned.count(i) > 1})
        return f"in two turns of 3 blocks of 4 threads some elements are {'owned twice' if twice else 'left out'}"
    if owned[1] - owned[0] != 1:
        return "neighbouring threads should own neighbouring elements, so that a warp's loads are coalesced"
    return differs(owned, np.arange(24), "the order of the elements")


def check_3(source) -> str:
    if not isinstance(source, str) or "add_up" not in source:
        return "the answer should be the text of a kernel of the name add_up"
    if "sum" not in re.sub(r"//.*|/\*.*?\*/", "", source.split("{", 1)[-1]):
        raise NotYet
    try:
        kernel = emulator.load(source, "add_up")
        x = np.random.default_rng(0).integers(-9, 9, 256).astype(np.float32)
        total = emulator.empty((1,), np.float32)
        kernel((1,), (256,), (x, total), strict=True)
    except (DeviceError, emulator.KernelError) as error:
        return str(error)
    return differs(total, [x.sum()], "the sum")

"""Machine code of what memory bounds: tensors move by 16 bytes an access, four of them in flight a thread."""

import os
import random

import pytest

from gpunn.cuda import source
from gpunn.cuda.dtypes import SIZES
from gpunn.verify import sass
from gpunn.verify.launches import builds, label
from tests.kernels.test_sass import compiler, disassembler

FOLDERS = ("batch_norm", "elementwise", "filter", "loss", "pool", "reduce", "row")
# No tensor of x's size is written: sums, statistics, a number a plane or a row; none is read: a number a plane.
NO_STORE = ("batch_norm/statistics", "batch_norm/backward_sums", "loss/cross_entropy_forward", "reduce/axes",
            "reduce/extremes", "pool/global_avg_forward", "pool/global_max_forward")  # fmt: skip
# What goes from memory past the registers (LDGSTS) is no load of a register's.
NO_LOAD = ("pool/global_backward", "filter/tile_forward")
# Loads in flight where it is less than four, and why.
TAPS, CELLS = "taps of any window, one after another: usual windows have rows of their own", "cells of any size"
CONVERTED = "in 16 bits each is widened before the next is fetched"
FEWER = {
    **dict.fromkeys(
        ("elementwise/activation_forward", "elementwise/activation_backward", "elementwise/map"), (2, CONVERTED)
    ),
    **dict.fromkeys(("pool/avg_forward", "pool/avg_backward", "pool/max_forward", "pool/max_backward"), (1, TAPS)),
    **dict.fromkeys(("pool/norm_forward", "pool/norm_backward"), (1, TAPS)),
    **dict.fromkeys(("pool/strip_avg_forward", "pool/strip_max_forward"), (3, CONVERTED)),
    "pool/strip_avg_backward": (2, "outputs that a strip of 2x2 tiles gives back: it stores four times as much"),
    "pool/norm_tile_backward": (2, "x and gy of a tile, of which four are stored"),
    **{f"pool/adaptive_{name}_{way}": (1, CELLS) for name in ("avg", "max") for way in ("forward", "backward")},
    "row/local_response_forward": (1, "neighbours come from the L1 cache, in less than 16 bytes"),
    "row/local_response_backward": (2, "neighbours come from the L1 cache, in less than 16 bytes"),
    **dict.fromkeys(("pool/global_avg_forward", "pool/global_max_forward"), (2, CONVERTED)),
    **dict.fromkeys(("reduce/axes", "reduce/extremes", "elementwise/place"), (1, CONVERTED)),
    "reduce/segment_sums": (2, CONVERTED),
    "pool/global_backward": (0, "reads a number a plane"),
    "filter/tile_forward": (0, "packs go past the registers: none waits for another"),
}
WIDE = [one for one in builds() if one[0].split("/")[0] in FOLDERS and int(one[2].get("VEC", 0)) * SIZES[one[1]] == 16]


def code(name, macros):
    kernel = source.read(name)
    cubin, _ = compiler().cubin(kernel.specialised(macros), kernel.file, 90)
    return sass.disassembled(cubin, disassembler())


def chosen():
    """A build of each kernel, memory order and float type where CI is set, else two, others as the table grows."""
    found = {}
    for name, dtype, macros in random.Random(len(WIDE)).sample(WIDE, len(WIDE)):
        if dtype in ("float32", "float16"):
            found.setdefault((name, dtype, macros.get("NHWC"), macros.get("ACROSS")), (name, dtype, macros))
    return list(found.values()) if os.environ.get("CI") else list(found.values())[:2]


def test_there_are_vector_rows_in_each_folder():
    assert {name.split("/")[0] for name, *_ in WIDE} >= {"batch_norm", "elementwise", "loss", "pool", "row"}


@pytest.mark.parametrize("build", chosen(), ids=lambda build: f"{build[0]} {label(*build[1:])}")
def test_a_vector_row(build):
    """Parameters of channels, indices and parts are fetched and stored in less, and are not asked."""
    name, _, macros = build
    text = code(name, macros)
    found = sass.accesses(text)
    assert "LDL" not in text and "STL" not in text
    assert found["LDG", 128] or name in NO_LOAD, found
    assert name != "filter/tile_forward" or "LDGSTS.E.BYPASS.LTC128B.128" in text
    assert found["STG", 128] or name in NO_STORE, found
    assert sass.loads_in_flight(text) >= FEWER.get(name, (4, ""))[0], (sass.loads_in_flight(text), found)

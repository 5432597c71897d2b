"""Machine code of what memory bounds: 16 bytes an access, and four of them in flight a thread."""

import os
import random

import pytest

from gpunn.cuda import source
from gpunn.cuda.dtypes import SIZES
from gpunn.verify import sass
from gpunn.verify.launches import builds, label
from tests.kernels.test_sass import compiler, disassembler

FOLDERS = ("batch_norm", "elementwise", "pool", "reduce", "row")
# What is no image's and so is fetched or stored in less, and why.
NARROW = {}
FEWER = {}  # loads in flight, and why
WIDE = [
    one for one in builds() if one[0].split("/")[0] in FOLDERS and int(one[2].get("VEC", 0)) * SIZES[one[1]] == 16
]


def code(name, macros):
    kernel = source.read(name)
    cubin, _ = compiler().cubin(kernel.specialised(macros), kernel.file, 90)
    return sass.disassembled(cubin, disassembler())


def chosen():
    """All kernels of float32 and float16 where CI is set, else two builds, others whenever there are more of them."""
    found = {}
    for name, dtype, macros in random.Random(len(WIDE)).sample(WIDE, len(WIDE)):
        if dtype in ("float32", "float16"):
            found.setdefault((name, dtype, macros.get("NHWC")), (name, dtype, macros))
    return list(found.values()) if os.environ.get("CI") else list(found.values())[:2]


def test_there_are_vector_rows_in_each_folder():
    assert {name.split("/")[0] for name, *_ in WIDE} >= {"batch_norm", "elementwise", "pool", "row"}


@pytest.mark.parametrize("build", chosen(), ids=lambda build: f"{build[0]} {label(*build[1:])}")
def test_a_vector_row(build):
    name, dtype, macros = build
    text = code(name, macros)
    narrow = {f"{kind} {bits}" for kind, bits in sass.accesses(text) if bits < 128}
    assert narrow <= set(NARROW.get(name, ())), sass.accesses(text)
    assert sass.loads_in_flight(text) >= FEWER.get(name, 4), sass.accesses(text)

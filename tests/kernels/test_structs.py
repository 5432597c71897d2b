"""C++ structs read from a kernel's text: the compiler's offsets, pointers by their constness, and what is refused."""

import numpy as np
import pytest

from gpunn import emulator as host
from gpunn.cuda import structs
from gpunn.cuda.kernel import kernel

STRUCT = """
typedef long long i64;
struct Inner { ACC a, b; int flag; };  // a comment; with int x;
struct Table { const T* x[ROWS]; i64 size[ROWS]; Inner inner[3]; float one; unsigned two; T* y; };
"""


@pytest.mark.usefixtures("emulator")
def test_a_struct_is_read_with_the_compilers_offsets():
    macros = {"T": "double", "ACC": "double", "ROWS": 2}
    found = structs.layout(STRUCT, "Table", macros)
    offsets = {name: place[1] for name, place in (found.dtype.fields or {}).items()}
    assert offsets == {"x": 0, "size": 16, "inner": 32, "one": 104, "two": 108, "y": 112}
    assert found.dtype.itemsize == 120 and found.pointers == {"x": True, "y": False}
    function = host.load(STRUCT + 'extern "C" __global__ void k(Table t) {}', "k", macros)
    assert function.parameters[0].bytes == 120


@pytest.mark.parametrize(
    "text, words",
    [
        ("struct Other { int x; };", "struct Table: the source defines none"),
        ("struct Table { int x[2][3]; };", r"struct Table: cannot read the member 'x\[2\]\[3\]'; expected like"),
    ],
)
def test_a_struct_that_cannot_be_read(text, words):
    with pytest.raises(ValueError, match=words):
        structs.layout(text, "Table", {})


def test_a_struct_that_is_not_the_kernels_is_refused():
    gather = kernel("data/gather", T="float", ACC="float", SOURCE="float")
    parameter = gather.source.parameters[-1]
    right = np.zeros((), structs.layout(gather.source.text, "Steps", {}).dtype)[()]
    assert gather.constant(parameter, right, 0) is right
    with pytest.raises(TypeError, match=r"data/gather.cu: steps is \[\('count', '<i4'\)\], expected struct Steps: "):
        gather.constant(parameter, np.zeros((), [("count", np.int32)])[()], 0)

"""What a kernel's 32-bit numbers and wide accesses cannot take goes to another variant: by shapes alone, no memory."""

import numpy as np
import pytest

from gpunn import emulator as host
from gpunn.cuda import conv, pool
from gpunn.cuda.problem import Conv
from gpunn.cuda.variants import tracing
from gpunn.reference import naive
from gpunn.window import Window


def problem(n, c, k, size, groups=1):
    x, w, y = (n, c, size, size), (k, c // groups, 1, 1), (n, k, size, size)
    return Conv("float16", True, x, w, y, Window.of((1, 1)), groups)


@pytest.mark.parametrize("pass_", ["forward", "grad_input"])
def test_tiles_leave_room_for_the_last_one(pass_):
    variants = {v.name: v for v in conv.OPERATIONS[2][pass_].variants}
    below, above = problem(131071, 8, 8, 127), problem((2**31 - 1) // 127**2, 8, 8, 127)
    assert above.x[0] * 127**2 < 2**31  # but a tile further it is not
    narrow = [name for name in variants if name.startswith("narrow")]
    for name in ("tiled128", "tiled64", "gather", *narrow):
        assert variants[name].accepts(below) and "pixels" in variants[name].refusal(problem(2**31 // 64, 8, 8, 8))
        assert "pixels" in variants[name].refusal(above)
        assert "tiles" in variants[name].refusal(problem(1, 8, 8 * 65535 * 64, 1))
    assert variants["naive"].accepts(above)


def test_depthwise_kernels_number_pixels_and_columns():
    many, wide = problem(2**31 // 64 + 1, 2, 2, 8, groups=2), problem(1, 65536 * 32, 65536 * 32, 1, groups=65536 * 32)
    for name in ("forward", "grad_input", "grad_weight"):
        refusal = conv.OPERATIONS[2][name].named("depthwise").refusal
        assert "pixels are numbered in 32 bits" in refusal(many)
        assert "2097152 channels are more columns" in refusal(wide)


@pytest.mark.usefixtures("emulator")
def test_window_indices_at_an_odd_address_are_read_all_the_same():
    rng, win = np.random.default_rng(0), Window.of((2, 2), 2)
    x = rng.standard_normal((2, 4, 6, 6)).astype(np.float32)
    gy = rng.standard_normal((2, 4, 3, 3)).astype(np.float32)
    _, position, plane = naive.max_pool(x, (2, 2), (2, 2), (0, 0), (1, 1), False)
    memory = host.EmulatedArray.of(np.zeros(position.size + 1, np.uint8))
    index = memory[1:].reshape(2, 3, 3, 4).transpose(0, 3, 1, 2)
    index[...] = position
    last = host.EmulatedArray.of(gy.transpose(0, 2, 3, 1).copy()).transpose(0, 3, 1, 2)
    with tracing() as calls:
        gx = pool.max_backward(last, index, x.shape, win)
    assert calls[0].variant == "staged" and "16 bytes" in calls[0].why
    np.testing.assert_allclose(np.asarray(gx), naive.max_pool_backward(gy, plane, x.shape), rtol=1e-6)

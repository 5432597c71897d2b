"""Launchers: what they refuse, by name; which variant they choose and why; what a broken kernel says."""

import dataclasses
import warnings

import numpy as np
import pytest

import gpunn.cuda
from gpunn import emulator as host
from gpunn.cuda import batch_norm, checks, conv, kernel, pool, source, variants
from gpunn.cuda.variants import OPERATIONS, tracing, use_variant
from gpunn.errors import DeviceError
from gpunn.window import Window

pytestmark = pytest.mark.usefixtures("emulator")
WIN = Window.of((3, 3), 1, 1)


def emulated(*shape, dtype=np.float32):
    return host.EmulatedArray.of(np.ones(shape, dtype))


@pytest.fixture
def pair():
    return emulated(1, 3, 5, 5), emulated(4, 3, 3, 3)


def test_mixed_devices_are_refused_by_name(pair):
    x, w = pair
    with pytest.raises(ValueError, match=r"conv2d.forward: x is on emulator but w is on cpu; move one with to_device"):
        conv.forward(x, w.plain(), None, WIN, 1)
    with pytest.raises(ValueError, match=r"batch_norm.eval_forward: x is on emulator but mean is on cpu"):
        batch_norm.eval_forward(x, None, None, np.ones(3, np.float32), emulated(3), 1e-5)
    with pytest.raises(ValueError, match=r"pool.max_backward: gy is on emulator but index is on cpu"):
        pool.max_backward(x, np.zeros(x.shape, np.uint8), x.shape, WIN)


def test_mixed_dtypes_are_refused_by_name(pair):
    x, w = pair
    with pytest.raises(TypeError, match=r"conv2d.forward: x is float32 but w is float64; convert one of them"):
        conv.forward(x, w.astype(np.float64), None, WIN, 1)


@pytest.mark.parametrize("dtype", [np.int32, np.uint8, np.complex64, np.bool_])
def test_unsupported_dtypes_are_refused_by_name(dtype):
    x = emulated(1, 3, 5, 5, dtype=dtype)
    with pytest.raises(TypeError, match=r"pool.max_forward: x is .*, expected float32, float64, float16, bfloat16"):
        pool.max_forward(x, WIN, False)
    with pytest.raises(TypeError, match=r"batch_norm.train_forward: x is"):
        batch_norm.train_forward(x, None, None, 1e-5)


def test_sizes_past_32_bit_indices_are_refused_by_name():
    with pytest.raises(ValueError, match=r"conv2d.forward: w has 2,147,483,648 elements .* index it in 32 bits"):
        checks.check_index("conv2d.forward", w=(2**16, 2**15, 1, 1))
    checks.check_index("conv2d.forward", w=(2**16 - 2, 2**15, 1, 1))


def test_a_window_of_too_many_positions_is_refused_by_name(pair):
    x, _ = pair
    with pytest.raises(ValueError, match=r"max_forward: the window \(257, 256\) has 65792 positions, expected at most"):
        pool.max_forward(x, Window.of((257, 256), 1, 128), False)
    with pytest.raises(ValueError, match=r"pool.avg_forward: dilation is \(2, 2\), expected 1"):
        pool.avg_forward(x, Window.of((2, 2), 1, 0, 2), False, True)


KERNEL = {"T": "float", "ACC": "float"}


def sum_parts(**changes):
    arguments = {"parts": emulated(2, 5), "out": emulated(5), "L": 5, "J": 2} | changes
    kernel.kernel("reduce/sum_parts", **KERNEL)((1,), (256,), *arguments.values())
    return arguments["out"]


def test_a_kernel_checks_each_argument_by_name():
    assert (sum_parts() == 2).all()
    for changes, error, words in (
        ({"out": emulated(10)[::2]}, ValueError, "out .* is not contiguous; pass ascontiguousarray"),
        ({"out": emulated(5, dtype=np.float64)}, TypeError, "out is float64, expected float32"),
        ({"out": [0.0]}, TypeError, "out is list, expected an array of float32"),
        ({"out": None}, TypeError, "out is NoneType, expected an array"),
        ({"parts": np.ones((2, 5), np.float32)}, ValueError, "parts is on cpu, where no kernel runs"),
        ({"J": 2**31}, ValueError, "J = 2147483648 does not fit into int32"),
    ):
        with pytest.raises(error, match=f"reduce/sum_parts.cu: {words}"):
            sum_parts(**changes)
    assert (sum_parts(L=5) == 2).all()


def test_a_struct_is_checked_by_the_names_of_its_fields():
    launch = kernel.kernel("pool/avg_forward", **KERNEL, NHWC=0, VEC=1)
    x, fields = emulated(1, 1, 1, 1), source.read("pool/avg_forward").parameters[-1].fields
    assert fields[:4] == ("N", "C", "D", "H") and "stride_h" in fields and "row" not in fields
    sizes = dict.fromkeys(fields, 1)
    with pytest.raises(ValueError, match=r"pool/avg_forward.cu: g lacks H, pad_w, which Pool2d has; expected N, C, D,"):
        launch((1,), (128,), x, x, {k: 1 for k in sizes if k not in ("H", "pad_w")})
    with pytest.raises(ValueError, match=r"pool/avg_forward.cu: g.W = 2147483648 does not fit into int32; split"):
        launch((1,), (128,), x, x, sizes | {"W": 2**31})


def test_a_kernel_checks_the_number_of_arguments_and_the_grid():
    launch = kernel.kernel("reduce/sum_parts", **KERNEL)
    with pytest.raises(TypeError, match="got 2 arguments, expected 4: parts, out, L, J"):
        launch((1,), (256,), emulated(2, 5), emulated(5))
    wrong = (((0,), (256,), "grid.x is 0"), ((1, 65536), (32,), "grid.y is 65536"), ((1,), (2048,), "block.x is 2048"))
    for grid, block, words in wrong:
        with pytest.raises(ValueError, match=f"sum_parts.cu: {words}.*nothing was launched"):
            launch(grid, block, emulated(2, 5), emulated(5), 5, 2)


def test_an_unaligned_array_is_refused_by_a_kernel_with_wide_accesses():
    memory = host.empty(4 * 4 + 1)
    shifted = memory[1:] if memory.ctypes.data % 16 == 0 else memory[:-1]
    launch = kernel.kernel("pool/avg_forward", **KERNEL, NHWC=1, VEC=4)
    sizes = source.read("pool/avg_forward").parameters[-1].fields
    with pytest.raises(ValueError, match="x starts at an address that is no multiple of 16; copy it"):
        launch((1,), (128,), shifted.reshape(1, 2, 2, 4), emulated(1, 2, 2, 4), dict.fromkeys(sizes, 1))


def test_unaligned_inputs_fall_to_a_variant_that_takes_them():
    memory = host.empty(2 * 8 * 9 * 9 + 1)
    memory[...] = 1
    x = (memory[1:] if memory.ctypes.data % 16 == 0 else memory[:-1]).reshape(2, 9, 9, 8).transpose(0, 3, 1, 2)
    with tracing() as calls:
        y = conv.forward(x, emulated(8, 8, 3, 3), None, WIN, 1)
    assert calls[0].variant == "narrow64x16" and "multiple of 16 bytes" in calls[0].why
    assert (y[:, :, 4, 4] == 72).all()


def test_the_trace_says_which_variant_each_call_took_and_why(pair):
    x, w = pair
    with tracing() as calls:
        conv.forward(x, w, None, WIN, 1)
        with use_variant("conv2d.forward", "naive"):
            conv.forward(x, w, None, WIN, 1)
    assert [(call.operation, call.variant) for call in calls] == [
        ("conv2d.forward", "narrow64x16"),
        ("conv2d.forward", "naive"),
    ]
    assert "tiled128: C/groups = 3 is no multiple of 4" in calls[0].why
    assert calls[1].why == "asked for by use_variant"
    assert "C3" in str(calls[0].problem) and "3x3" in str(calls[0].problem)


def test_use_variant_names_what_is_unknown_or_not_taken(pair):
    x, w = pair
    with pytest.raises(ValueError, match=r"no variant 'tild64'; expected one of .* did you mean tiled64\?"):
        use_variant("conv2d.forward", "tild64").__enter__()
    with pytest.raises(ValueError, match=r"no operation 'conv2d.forwards'; .* did you mean conv2d.forward\?"):
        use_variant("conv2d.forwards", "naive").__enter__()
    with use_variant("conv2d.forward", "tiled64"), pytest.raises(ValueError, match=r"tiled64.* does not take this"):
        conv.forward(x, w, None, WIN, 1)


def test_use_variant_takes_the_names_of_earlier_versions(pair):
    with use_variant("conv2d.forward", "first_layer"), use_variant("pool2d.max_forward", "naive"), tracing() as calls:
        conv.forward(*pair, None, WIN, 1)
        pool.max_forward(emulated(1, 8, 4, 4), Window.of((2, 2), 2), False)
    assert [(call.variant, call.why) for call in calls] == [
        ("gather", "asked for by use_variant"),
        ("naive", "asked for by use_variant"),
    ]


def test_too_little_shared_memory_falls_back_and_warns_once(monkeypatch):
    monkeypatch.setattr(variants, "shared_limit", lambda device, dynamic: 4096)
    monkeypatch.setattr(variants, "_warned", set())
    x, w = emulated(1, 8, 5, 5), emulated(8, 8, 3, 3)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        y = conv.forward(x, w, None, WIN, 1)
    (first,) = (str(warning.message) for warning in caught)
    assert "conv2d.forward: narrow64x16 needs 5440 bytes of shared memory a block, this device has 4096" in first
    with warnings.catch_warnings(), tracing() as calls:
        warnings.simplefilter("error")
        conv.forward(x, w, None, WIN, 1)
    assert calls[0].variant == "naive" and "this device has 4096" in calls[0].why
    assert (y[:, :, 2, 2] == 72).all()


def test_a_kernel_that_does_not_compile_shows_the_log_with_its_own_line():
    good = source.read("reduce/sum_parts")
    line = 1 + good.text.split('#line 2 "')[0].count("\n")
    broken = dataclasses.replace(good, text=good.text.replace("ACC sum = parts[i];", "ACC sum = part[i];"))
    assert broken.text != good.text and line
    wrong = kernel.Kernel(broken, tuple(KERNEL.items()))
    with pytest.raises(DeviceError, match=r"sum_parts.cu:\d+") as caught:
        wrong((1,), (256,), emulated(2, 5), emulated(5), 5, 2)
    original = (source.folder() / "reduce/sum_parts.cu").read_text().splitlines()
    wanted = 1 + next(n for n, text in enumerate(original) if "ACC sum = parts[i];" in text)
    assert f"sum_parts.cu:{wanted}" in str(caught.value)


def test_every_operation_ends_with_a_variant_that_takes_everything():
    families = {"conv2d", "conv3d", "pool", "batch_norm", "loss", "dropout", "optim", "activation", "reduce"}
    families |= {"conv_norm", "conv_pool", "data", "elementwise", "group_norm", "linear", "local_response_norm"}
    families |= {"filter", "indexing", "matmul", "recurrent", "resample", "softmax", "step", "sync_batch_norm"}
    families |= {"ctc_loss", "grid_sample"}
    assert {name.split(".")[0] for name in OPERATIONS} == families
    for operation in OPERATIONS.values():
        if operation.name in ("conv_pool.forward", "conv_norm.train_forward", "conv_norm.grad_input"):
            continue  # what it does not take is a convolution and a pooling, or a normalisation
        names = ("naive", "apply", "thread", "row", "element", "table", "pixel", "copy", "warp", "steps", "split")
        assert operation.variants[-1].name in names
    assert gpunn.cuda.conv.OPERATIONS[2]["forward"] is OPERATIONS["conv2d.forward"]


def test_outputs_keep_memory_order_and_empty_batches_work():
    x = emulated(2, 3, 4, 4)
    y, index = pool.max_forward(x, Window.of((2, 2), 2), False)
    assert y.flags.c_contiguous and index.dtype == np.uint8
    last = host.EmulatedArray.of(np.ones((2, 4, 4, 3), np.float32)).transpose(0, 3, 1, 2)
    assert pool.max_forward(last, Window.of((2, 2), 2), False)[0].transpose(0, 2, 3, 1).flags.c_contiguous
    empty = emulated(0, 3, 5, 5)
    assert conv.forward(empty, emulated(4, 3, 3, 3), None, WIN, 1).shape == (0, 4, 5, 5)
    assert (conv.grad_weight(emulated(0, 4, 5, 5), empty, (4, 3, 3, 3), WIN, 1)[0] == 0).all()


def test_max_indices_have_two_bytes_past_256_positions():
    x = emulated(1, 2, 18, 19)
    assert pool.max_forward(x, Window.of((17, 17), 1, 8), False)[1].dtype == np.uint16


@pytest.mark.parametrize("variant", [one.name for one in pool.MAX_FORWARD.variants])
def test_an_index_that_nobody_wants_is_not_written(variant):
    values = np.random.default_rng(0).standard_normal((2, 7, 8, 4)).astype(np.float32)
    x = host.EmulatedArray.of(values).transpose(0, 3, 1, 2)
    with use_variant("pool.max_forward", variant), host.counting() as counts:
        y, index = pool.max_forward(x, Window.of((3, 3), 2), False, wanted=False)
    want, _ = pool.max_forward(x, Window.of((3, 3), 2), False)
    assert index is None and np.array_equal(y, want)
    (count,) = counts.values()
    assert count.total("bytes", "global", True) == y.nbytes


def test_nan_wins_every_window_that_holds_it():
    x = emulated(1, 1, 4, 4)
    x[0, 0, 1, 1] = np.nan
    y, _ = pool.max_forward(x, Window.of((2, 2), 2), False)
    assert np.isnan(y[0, 0, 0, 0]) and np.isfinite(y[0, 0].reshape(-1)[1:]).all()


@pytest.mark.parametrize("variant", ["naive", "gather", "tiled64", "narrow32x64"])
def test_gradients_have_the_same_bits_at_every_run(variant):
    rng = np.random.default_rng(3)
    gy, x = (host.EmulatedArray.of(rng.standard_normal((3, 8, 9, 9)).astype(np.float32)) for _ in range(2))
    with use_variant("conv2d.grad_weight", variant):
        first, second = (conv.grad_weight(gy, x, (8, 8, 3, 3), WIN, 1)[0] for _ in range(2))
    assert first.tobytes() == second.tobytes()


@pytest.mark.parametrize("name, dtype", [("L", np.int32), ("J", np.int64), ("parts", np.float32)])
def test_a_number_of_each_call_has_the_parameters_type(name, dtype):
    wanted = kernel.kernel("reduce/sum_parts", T="float", ACC="float")
    parameter = next(p for p in wanted.source.parameters if p.name == name)
    with pytest.raises(TypeError, match=rf"sum_parts.cu: {name} is {np.dtype(dtype)}, expected \w+; convert it"):
        wanted.check_scalar(parameter, dtype)

"""The backend contract: twin modules with equal functions and signatures, and what only the twins show."""

import importlib
import inspect

import numpy as np
import pytest

import gpunn
from gpunn.reference import naive
from gpunn.reference.cases import BATCHNORM, CONV2D, CONV3D, POOL
from gpunn.reference.close import assert_close

TWINS = {
    "conv": {"in_memory_order", "forward", "grad_input", "grad_weight", "grad_bias"},
    "pool": {
        "max_forward",
        "max_backward",
        "avg_forward",
        "max_backward_from",
        "avg_backward",
        "places",
    },
    "norm_pool": {"forward", "backward"},
    "filter": {"forward", "grad_input", "grad_kernel"},
    "adaptive_pool": {"avg_forward", "avg_backward", "max_forward", "max_backward", "max_backward_from", "places"},
    "batch_norm": {"train_forward", "eval_forward", "fold", "train_backward", "eval_backward"},
    "sync_batch_norm": {"forward", "backward"},
    "conv_norm": {"train_forward", "grad_input", "train_backward"},
    "group_norm": {"group_forward", "group_backward", "layer_forward", "layer_backward"}
    | {"rms_forward", "rms_backward"},
    "softmax": {"forward", "backward"},
    "attention": {"forward", "backward", "weights", "weights_backward"},
    "local_response_norm": {"forward", "backward"},
    "ctc_loss": {"forward"},
    "dropout": {"drop"},
    "linear": {"forward", "backward"},
    "matmul": {"matmul"},
    "loss": {"cross_entropy", "nll", "hits"},
    "optim": {"sgd", "adam", "rmsprop", "norm", "scale", "clamp", "average", "accumulate", "divide"}
    | {"unscale", "rescale", "adadelta", "adamax", "rprop", "asgd"},
    "activation": {"forward", "backward", "slopes"},
    "elementwise": {"apply", "add_into", "in_memory", "place"},
    "indexing": {"add", "check", "rows"},
    "recurrent": {"forward", "backward"},
    "reduce": {"extreme", "reduced"},
    "resample": {"resample"},
    "grid_sample": {"forward", "backward", "base"},
}


def exported(module):
    """name -> function: what `__all__` lists, else the public functions written in the module itself."""
    names = getattr(module, "__all__", None)
    functions = {n: f for n, f in vars(module).items() if inspect.isfunction(f) and not n.startswith("_")}
    if names is not None:
        return {n: functions[n] for n in names}
    return {n: f for n, f in functions.items() if f.__module__ == module.__name__}


def parameters(function):
    """Names, kinds and defaults; annotations may differ, since the array types do."""
    return [(p.name, p.kind, p.default) for p in inspect.signature(function).parameters.values()]


@pytest.mark.parametrize("name", TWINS)
def test_the_cpu_twin_exports_the_contract(name):
    assert set(exported(importlib.import_module(f"gpunn.cpu.{name}"))) == TWINS[name]


@pytest.mark.parametrize("name", TWINS)
def test_cpu_and_cuda_export_the_same_functions_with_the_same_signatures(name):
    cpu = exported(importlib.import_module(f"gpunn.cpu.{name}"))
    cuda = exported(importlib.import_module(f"gpunn.cuda.{name}"))
    assert set(cpu) == set(cuda)
    different = {n: (str(inspect.signature(cpu[n])), str(inspect.signature(cuda[n]))) for n in cpu
                 if parameters(cpu[n]) != parameters(cuda[n])}  # fmt: skip
    assert not different, different


def test_no_twin_signature_carries_a_tests_or_a_benchmarks_argument():
    for name in TWINS:
        for function in exported(importlib.import_module(f"gpunn.cpu.{name}")).values():
            assert not {"variant", "debug", "trace", "repeat", "warmup"} & set(inspect.signature(function).parameters)


# ---------------------------------------------------------------- what only the twins show
@pytest.mark.parametrize("case", [*CONV2D[:4], CONV3D[1]], ids=str)
def test_convolution_twins(case):
    twin = importlib.import_module("gpunn.cpu.conv")
    x, w, b, gy = case.arrays()
    y = twin.forward(x, w, b, case.window(), case.groups)
    assert y.dtype == np.float32
    assert_close(y, naive.conv(x, w, b, **case.geometry), case.terms)
    gx = twin.grad_input(gy, w, case.x, case.window(), case.groups)
    gw, gb = twin.grad_weight(gy, x, case.w, case.window(), case.groups, bias=True)
    assert_close(gx, naive.conv_grad_input(gy, w, case.x, **case.geometry), case.terms_grad_input)
    assert_close(gw, naive.conv_grad_weight(gy, x, case.w, **case.geometry), case.terms_grad_weight)
    for one in (gb, twin.grad_bias(gy)):
        assert_close(one, naive.conv_grad_bias(gy), case.terms_grad_weight)
    assert twin.grad_weight(gy, x, case.w, case.window(), case.groups)[1] is None


@pytest.mark.parametrize("case", POOL, ids=str)
def test_the_window_index_takes_one_byte_up_to_256_positions_and_two_beyond(case):
    twin = importlib.import_module("gpunn.cpu.pool")
    x, gy = case.arrays()
    y, index = twin.max_forward(x, case.window(), case.ceil_mode)
    geometry = {"size": case.size, "stride": case.stride, "padding": case.padding, "dilation": case.dilation}
    want, window, plane = naive.max_pool(x, **geometry, ceil_mode=case.ceil_mode)
    np.testing.assert_array_equal(y, want)
    np.testing.assert_array_equal(index, window)
    assert index.dtype == (np.uint8 if case.size[0] * case.size[1] <= 256 else np.uint16)
    assert_close(twin.max_backward(gy, index, case.x, case.window()), naive.max_pool_backward(gy, plane, case.x), 16)


@pytest.mark.parametrize("training", [True, False], ids=["train", "eval"])
@pytest.mark.parametrize("case", BATCHNORM, ids=str)
def test_batch_norm_twins_fuse_residual_and_relu(case, training):
    twin = importlib.import_module("gpunn.cpu.batch_norm")
    x, gamma, beta, residual, gy = case.arrays(np.float64)
    terms = case.terms + case.offset**2
    if training:
        want, m, v = naive.batch_norm_train(x, gamma, beta, 1e-5, residual, case.relu)
        y, mean, rstd, passed = twin.train_forward(x, gamma, beta, 1e-5, residual, case.relu)
        assert_close(mean, m, terms)
        assert_close(rstd, (v + 1e-5) ** -0.5, terms)
        got = twin.train_backward(gy, x, gamma, mean, rstd, passed, True, case.relu, beta)
        if residual is None:  # what forward told need not be kept
            anew = twin.train_backward(gy, x, gamma, mean, rstd, None, True, case.relu, beta)
            assert all(np.array_equal(a, b) for a, b in zip(anew, got, strict=True))
    else:
        m, v = np.linspace(-1, 1, case.x[1]), np.linspace(0.5, 2, case.x[1])
        want = naive.batch_norm_eval(x, gamma, beta, m, v, 1e-5, residual, case.relu)
        y = twin.eval_forward(x, gamma, beta, m, v, 1e-5, residual, case.relu)
        got = twin.eval_backward(gy, x, gamma, m, (v + 1e-5) ** -0.5, y if case.relu else None)
    assert_close(y, want, terms)
    wanted = naive.batch_norm_backward(gy, x, gamma, m, v, 1e-5, training, want if case.relu else None)
    for name, a, b in zip(("gx", "ggamma", "gbeta", "gresidual"), got, wanted, strict=True):
        assert_close(a, b, terms, what=name)


@pytest.mark.parametrize("name", ["cpu", "cuda"])
def test_kernels_answers_with_the_twin_of_the_arrays_device(name):
    if not gpunn.is_available(name):
        pytest.skip(f"device {name} is not available")
    x = gpunn.to_device(np.zeros(3, np.float32), name)
    assert gpunn.backend.twins(x).__name__ == f"gpunn.{name}"

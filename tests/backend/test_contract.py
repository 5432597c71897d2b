"""The backend contract: twin modules with equal signatures, one importer of cupy, calls that only go down."""

import ast
import importlib
import inspect
from pathlib import Path

import numpy as np
import pytest

import gpunn
from gpunn.reference import naive
from gpunn.reference.cases import BATCHNORM, CONV2D, CONV3D, POOL
from gpunn.reference.close import assert_close

PACKAGE = Path(gpunn.__file__).parent
SOURCES = sorted(PACKAGE.rglob("*.py"))

TWINS = {
    "conv": {"in_memory_order", "forward", "grad_input", "grad_weight", "grad_bias"},
    "pool": {
        "max_forward",
        "max_backward",
        "avg_forward",
        "avg_backward",
        "adaptive_avg_forward",
        "adaptive_avg_backward",
        "adaptive_max_forward",
        "adaptive_max_backward",
    },
    "batch_norm": {"train_forward", "eval_forward", "train_backward", "eval_backward"},
    "dropout": {"drop"},
    "loss": {"cross_entropy", "nll"},
    "optim": {"sgd", "adam", "rmsprop", "norm", "scale", "clamp", "average", "accumulate", "divide"},
    "activation": {"forward", "backward"},
    "indexing": {"add"},
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


# ---------------------------------------------------------------- imports
def imports(path):
    """Every (module imported, line), also those inside functions; `from gpunn import x` counts as gpunn.x."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from ((alias.name, node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno}: a relative import"
            if node.module == "gpunn":
                yield from ((f"gpunn.{alias.name}", node.lineno) for alias in node.names)
            else:
                yield node.module, node.lineno


def test_only_one_module_imports_cupy():
    guilty = [f"{path.relative_to(PACKAGE)}:{line}" for path in SOURCES for name, line in imports(path)
              if name.split(".")[0] in ("cupy", "cupyx") and path.name != "loading.py"]  # fmt: skip
    assert not guilty


def test_nothing_imports_a_package_that_is_not_a_dependency_at_the_top_of_a_module():
    """numpy and tqdm come with gpunn; the extras' packages are imported where they are used."""
    extras = {"matplotlib", "safetensors", "PIL", "torch", "cupy", "ml_dtypes", "pytest", "hypothesis"}
    guilty = []
    for path in SOURCES:
        for node in ast.parse(path.read_text()).body:
            if isinstance(node, ast.Import | ast.ImportFrom):
                names = [a.name for a in node.names] if isinstance(node, ast.Import) else [node.module or ""]
                guilty += [f"{path.relative_to(PACKAGE)}: {n}" for n in names if n.split(".")[0] in extras]
    assert not guilty


# From the ground up. `backend` finds the twins by name when first asked, so that it imports neither.
LEVELS = [
    {"errors", "files", "layout", "window", "random", "reference"},
    {"cpu", "emulator"},
    {"backend"},
    {"cuda"},
    {"engine"},
    {"checks"},
    {"ops"},
    {"nn", "data", "optim", "gradcheck", "verify"},
    {"pictures"},
    {"models", "train"},
    {"recipes"},
    {"report"},
    {"doctor"},
    {"cli"},
    {"__main__", "__init__"},
]
UPWARD = {("engine", "ops"): "an operator is its op: looked up when called, after both are loaded"}


def part_of(path):
    first = path.relative_to(PACKAGE).parts[0]
    return first.removesuffix(".py")


def level_of(part):
    found = [i for i, parts in enumerate(LEVELS) if part in parts]
    assert len(found) == 1, f"give {part} a level, and one alone"
    return found[0]


def test_calls_only_go_down():
    wrong = []
    for path in SOURCES:
        part = part_of(path)
        level = level_of(part)
        for name, line in imports(path):
            pieces = name.split(".")
            if pieces[0] != "gpunn" or len(pieces) == 1:
                continue
            if level_of(pieces[1]) > level and (part, pieces[1]) not in UPWARD:
                wrong.append(f"{path.relative_to(PACKAGE)}:{line} imports {name}")
    assert not wrong


def modules_imported():
    """Each module of the package, and those it imports, functions' imports included; a package is its __init__."""
    names = {".".join(("gpunn", *path.relative_to(PACKAGE).with_suffix("").parts)).removesuffix(".__init__"): path
             for path in SOURCES}  # fmt: skip
    found = {}
    for name, path in names.items():
        found[name] = set()
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                found[name] |= {alias.name for alias in node.names} & names.keys()
            elif isinstance(node, ast.ImportFrom) and node.module in names:
                whole = {f"{node.module}.{alias.name}" for alias in node.names}
                found[name] |= (whole & names.keys()) or {node.module}
    return found


def circle(graph):
    """The modules of one circle, in order, the first again at the end; None where there is none."""
    done = set()

    def walk(name, path):
        if name in path:
            return [*path[path.index(name) :], name]
        if name not in done:
            for other in sorted(graph[name]):
                if found := walk(other, [*path, name]):
                    return found
        done.add(name)
        return None

    return next((found for name in sorted(graph) if (found := walk(name, []))), None)


# The only import on a circle, looked at when an operator is called: see UPWARD.
LATE = ("gpunn.engine.operators", "gpunn")


def test_no_imports_go_in_a_circle():
    graph = modules_imported()
    graph[LATE[0]].remove(LATE[1])
    assert circle(graph) is None, " -> ".join(circle(graph))


def test_a_circle_is_found_where_there_is_one():
    assert circle({"a": {"b"}, "b": {"c"}, "c": set()}) is None
    assert circle({"a": {"b"}, "b": {"c"}, "c": {"b"}}) == ["b", "c", "b"]
    assert circle({"a": {"a"}}) == ["a", "a"]
    assert circle(modules_imported()) is not None  # the one above


def test_the_benchmarks_use_the_library_not_its_commands():
    found = [f"{path.name}:{line} imports {name}" for path in (PACKAGE.parent / "bench").rglob("*.py")
             for name, line in imports(path) if name.startswith("gpunn.cli")]  # fmt: skip
    assert not found


def test_the_oracle_shares_no_code_with_what_it_judges():
    assert not [n for n, _ in imports(Path(naive.__file__)) if n.split(".")[0] == "gpunn"]


# ---------------------------------------------------------------- what only the twins show
@pytest.mark.parametrize("case", [*CONV2D[:4], CONV3D[1]], ids=str)
def test_convolution_twins(case):
    twin = importlib.import_module("gpunn.cpu.conv")
    x, w, b, gy = case.arrays()
    y = twin.forward(x, w, b, case.window(), case.groups)
    assert y.dtype == np.float32
    assert_close(y, naive.conv(x, w, b, **case.geometry), case.terms)
    gx = twin.grad_input(gy, w, case.x, case.window(), case.groups)
    gw = twin.grad_weight(gy, x, case.w, case.window(), case.groups)
    assert_close(gx, naive.conv_grad_input(gy, w, case.x, **case.geometry), case.terms_grad_input)
    assert_close(gw, naive.conv_grad_weight(gy, x, case.w, **case.geometry), case.terms_grad_weight)
    assert_close(twin.grad_bias(gy), naive.conv_grad_bias(gy), case.terms_grad_weight)


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
        y, mean, var = twin.train_forward(x, gamma, beta, 1e-5, residual, case.relu)
        assert_close(mean, m, terms)
        assert_close(var, v, terms)
        got = twin.train_backward(gy, x, gamma, mean, var, 1e-5, y if case.relu else None)
    else:
        m, v = np.linspace(-1, 1, case.x[1]), np.linspace(0.5, 2, case.x[1])
        want = naive.batch_norm_eval(x, gamma, beta, m, v, 1e-5, residual, case.relu)
        y = twin.eval_forward(x, gamma, beta, m, v, 1e-5, residual, case.relu)
        got = twin.eval_backward(gy, x, gamma, m, v, 1e-5, y if case.relu else None)
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

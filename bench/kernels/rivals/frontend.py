"""cuDNN's graphs through the package nvidia-cudnn-frontend: the three passes of a convolution, best plan first."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any

import numpy as np

from bench.kernels.rivals import Unsupported
from gpunn import backend

TYPES = {"float32": "FLOAT", "float64": "DOUBLE", "float16": "HALF", "bfloat16": "BFLOAT16"}


def _module() -> Any:
    try:
        return importlib.import_module("cudnn")
    except Exception as error:  # a wheel without libcudnn fails in its own ways
        raise Unsupported(f"{type(error).__name__}: {error} (pip install nvidia-cudnn-frontend)") from None


def version(device: str) -> str:
    if not device.startswith("cuda"):
        raise Unsupported("cuDNN needs device cuda")
    cudnn = _module()
    try:
        return f"{cudnn.__version__}, cuDNN {cudnn.backend_version()}"
    except Exception as error:
        raise Unsupported(f"cuDNN does not load: {error}") from None


def call(subject: Any, device: str) -> Callable[[], Any]:
    family, _, pass_ = subject.given.kind.partition(".")
    if family != "conv2d" or pass_ == "grad_bias":
        raise Unsupported(f"{subject.given.kind} is not a cuDNN convolution")
    cudnn, given, case = _module(), subject.given, subject.given.case
    arrays = {"x": given.x, "w": given.w, "y": given.gy}
    buffers = {name: _on_device(array, device) for name, array in arrays.items()}
    handle, bias = cudnn.create_handle(), pass_ == "forward" and given.b is not None
    graph, tensors, out = _graph(cudnn, handle, case, pass_, given.x.dtype.name, buffers, bias)
    if bias:
        buffers["b"] = _on_device(np.asarray(given.b).reshape(1, -1, 1, 1), device)
    name = {"forward": "y", "grad_input": "x", "grad_weight": "w"}[pass_]
    result = _on_device(np.zeros_like(arrays[name]), device)
    pack = {tensor: buffers[key] for key, tensor in tensors.items()} | {out: result}
    workspace = backend.require_cupy().empty(max(1, graph.get_workspace_size()), np.uint8)

    def run() -> Any:
        graph.execute(pack, workspace, handle=handle)
        return result

    return run


def _on_device(array: Any, device: str) -> Any:
    """Channels-last memory on the device."""
    moved = backend.to_device(np.ascontiguousarray(array.transpose(0, 2, 3, 1)), device)
    return moved.transpose(0, 3, 1, 2)


def _graph(cudnn: Any, handle: Any, case: Any, pass_: str, dtype: str, buffers: dict, bias: bool) -> tuple:
    """(the built graph, its input tensors by name, its output)."""
    kind = getattr(cudnn.data_type, TYPES[dtype])
    compute = cudnn.data_type.DOUBLE if dtype == "float64" else cudnn.data_type.FLOAT
    graph = cudnn.pygraph(io_data_type=kind, intermediate_data_type=compute, compute_data_type=compute, handle=handle)

    def tensor(name: str, shape: tuple[int, ...]) -> Any:
        n, c, h, w = shape
        return graph.tensor(name=name, dim=[n, c, h, w], stride=[h * w * c, 1, w * c, c], data_type=kind)

    geometry = {key: list(getattr(case, key)) for key in ("padding", "stride", "dilation")}
    sources = {"forward": "xw", "grad_input": "yw", "grad_weight": "xy"}[pass_]
    tensors = {name: tensor(name, buffers[name].shape) for name in sources}
    if pass_ == "forward":
        out = graph.conv_fprop(image=tensors["x"], weight=tensors["w"], **geometry)
        if bias:
            tensors["b"] = tensor("b", (1, case.w[0], 1, 1))
            out = graph.bias(input=out, bias=tensors["b"])
    elif pass_ == "grad_input":
        out = graph.conv_dgrad(loss=tensors["y"], filter=tensors["w"], **geometry)
    else:
        out = graph.conv_wgrad(image=tensors["x"], loss=tensors["y"], **geometry)
    n, c, h, w = {"forward": case.y, "grad_input": case.x, "grad_weight": case.w}[pass_]
    out.set_output(True).set_data_type(kind).set_dim([n, c, h, w]).set_stride([h * w * c, 1, w * c, c])
    graph.validate()
    graph.build_operation_graph()
    graph.create_execution_plans([cudnn.heur_mode.A, cudnn.heur_mode.FALLBACK])
    graph.check_support()
    graph.build_plans()
    return graph, tensors, out

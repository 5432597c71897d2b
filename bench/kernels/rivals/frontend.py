"""cuDNN's graphs through the package nvidia-cudnn-frontend: the three passes of a convolution, best plan first."""

from __future__ import annotations

import importlib
from typing import Any

import numpy as np

from bench.clocks import Call
from bench.kernels.subjects import Subject, channels_last
from bench.measure import Unsupported
from gpunn import backend

TYPES = {"float32": "FLOAT", "float64": "DOUBLE", "float16": "HALF", "bfloat16": "BFLOAT16"}
PASSES = {"forward": ("xw", "y"), "grad_input": ("yw", "x"), "grad_weight": ("xy", "w")}  # reads, writes


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


def call(subject: Subject, device: str) -> Call:
    if not subject.operation.startswith("conv2d.") or subject.pass_ not in PASSES:
        raise Unsupported(f"{subject.operation} is not a cuDNN convolution")
    cudnn, given = _module(), subject.given
    arrays = {"x": given.x, "w": given.w, "y": given.gy}
    if subject.pass_ == "forward" and given.b is not None:
        arrays["b"] = np.asarray(given.b).reshape(1, -1, 1, 1)
    buffers = {name: channels_last(array, device) for name, array in arrays.items()}
    handle = cudnn.create_handle()
    graph, tensors, out = _graph(cudnn, handle, subject, buffers)
    result = backend.require_cupy().empty_like(buffers[PASSES[subject.pass_][1]])
    pack = {tensor: buffers[key] for key, tensor in tensors.items()} | {out: result}
    workspace = backend.require_cupy().empty(max(1, graph.get_workspace_size()), np.uint8)

    def run() -> Any:
        graph.execute(pack, workspace, handle=handle)
        return result

    return run


def _strides(n: int, c: int, h: int, w: int) -> list[int]:
    """Channels-last memory."""
    return [h * w * c, 1, w * c, c]


def _graph(cudnn: Any, handle: Any, subject: Subject, buffers: dict[str, Any]) -> tuple[Any, dict[str, Any], Any]:
    """(the built graph, its input tensors by name, its output)."""
    dtype, case = subject.given.x.dtype.name, subject.given.case
    kind = getattr(cudnn.data_type, TYPES[dtype])
    compute = cudnn.data_type.DOUBLE if dtype == "float64" else cudnn.data_type.FLOAT
    graph = cudnn.pygraph(io_data_type=kind, intermediate_data_type=compute, compute_data_type=compute, handle=handle)
    reads, writes = PASSES[subject.pass_]
    tensors = {
        name: graph.tensor(name=name, dim=list(array.shape), stride=_strides(*array.shape), data_type=kind)
        for name, array in buffers.items()
        if name in f"{reads}b"
    }
    geometry = {key: list(getattr(case, key)) for key in ("padding", "stride", "dilation")}
    if subject.pass_ == "forward":
        out = graph.conv_fprop(image=tensors["x"], weight=tensors["w"], **geometry)
        out = graph.bias(input=out, bias=tensors["b"]) if "b" in tensors else out
    elif subject.pass_ == "grad_input":
        out = graph.conv_dgrad(loss=tensors["y"], filter=tensors["w"], **geometry)
    else:
        out = graph.conv_wgrad(image=tensors["x"], loss=tensors["y"], **geometry)
    shape = buffers[writes].shape
    out.set_output(True).set_data_type(kind).set_dim(list(shape)).set_stride(_strides(*shape))
    graph.validate()
    graph.build_operation_graph()
    graph.create_execution_plans([cudnn.heur_mode.A, cudnn.heur_mode.FALLBACK])
    graph.check_support()
    graph.build_plans()
    return graph, tensors, out

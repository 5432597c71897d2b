"""The storage types that kernels take and the functions that they compute, and what each is called in CUDA."""

from __future__ import annotations

import numpy as np

from gpunn.backend import Array

STORAGE = {
    "float32": ("float", "float"),
    "float64": ("double", "double"),
    "float16": ("float16", "float"),
    "bfloat16": ("bfloat16", "float"),
}
SIZES = {"float32": 4, "float64": 8, "float16": 2, "bfloat16": 2, "uint8": 1, "int32": 4, "int64": 8}
CUDA_NAMES = {
    "float": "float32",
    "double": "float64",
    "float16": "float16",
    "bfloat16": "bfloat16",
    "int": "int32",
    "i64": "int64",
    "u64": "uint64",
    "u8": "uint8",
    "unsigned char": "uint8",
    "unsigned short": "uint16",
}
# What each activation is called in kernels/elementwise: activation.cuh, bounded.cuh and curves.cuh.
FUNCTIONS = {
    "relu": "Relu",
    "leaky_relu": "LeakyRelu",
    "tanh": "Tanh",
    "sigmoid": "Sigmoid",
    "silu": "Silu",
    "gelu": "Gelu",
    "gelu_tanh": "GeluTanh",
    "elu": "Elu",
    "softplus": "Softplus",
    "hardtanh": "HardTanh",
    "hardswish": "HardSwish",
    "hardsigmoid": "HardSigmoid",
    "hardshrink": "HardShrink",
    "softshrink": "SoftShrink",
    "threshold": "Threshold",
    "selu": "Selu",
    "celu": "Celu",
    "mish": "Mish",
    "tanhshrink": "TanhShrink",
    "softsign": "SoftSign",
}
# What tensor cores multiply: by a variant's precision the storage type, and kernels/tensor/precision.cuh's PRECISION.
CORES_READ = {"bf16": "bfloat16", "fp16": "float16", "tf32": "float32", "3xtf32": "float32"}
CORES_MACRO = {"bf16": "BF16", "fp16": "FP16", "tf32": "TF32", "3xtf32": "TF32X3"}
# What a kernel does to a sum before it stores it: numbers of kernels/elementwise/epilogue.cuh.
EPILOGUES = {None: 0, "relu": 1, "tanh": 2}


def refuse_cores(precision: str, dtype: str, wanted: str) -> str:
    """Why tensor cores do not multiply arrays of this dtype in this precision; "" where they do.

    `wanted`: the precision that the call's block asks for.
    """
    if dtype != CORES_READ[precision]:
        return f"{dtype} is not {CORES_READ[precision]}"
    if precision == "tf32" and wanted != "tf32":
        return "TF32 was not asked for: gpunn.precision('tf32')"
    return ""


def storage_macros(dtype: str) -> dict[str, str]:
    """-D macros T and ACC for a NumPy dtype's name."""
    storage, accumulate = STORAGE[dtype]
    return {"T": storage, "ACC": accumulate}


def accumulate(dtype: str) -> np.dtype:
    """The dtype that sums, statistics and parameters of normalisation are kept in."""
    return np.dtype(np.float64 if dtype == "float64" else np.float32)


def pack(dtype: str) -> int:
    """Elements in a 16-byte access."""
    return 16 // SIZES[dtype]


def wide(a: Array) -> Array:
    """16-bit floats as float32; others as they are."""
    return a.astype(np.float32) if a.dtype.itemsize == 2 and a.dtype.kind in "fV" else a

"""Every set of macros that the launchers give a kernel: what the compile tests and `gpunn kernels` enumerate."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import product

from gpunn.cuda import source
from gpunn.cuda.dtypes import FUNCTIONS, STORAGE, pack, storage_macros
from gpunn.cuda.kernel import EMULATOR
from gpunn.cuda.table import FEWEST_ROWS, most_rows

_COMMENT = re.compile(r"//[^\n]*|/\*.*?\*/", re.S)


def specialisations(name: str, dtype: str) -> Iterator[dict[str, object]]:
    """Macro sets of one kernel for a storage type; none where it does not take the type."""
    words = set(re.findall(r"\w+", _COMMENT.sub(" ", source.read(name).text)))
    if dtype == "float64" and "BM" in words:
        return  # tiled sums are float
    axes: dict[str, tuple] = {}
    if "NHWC" in words:
        axes["NHWC"] = (1, 0)
    if "VEC" in words:
        axes["VEC"] = (1,) if "adaptive_max" in name else (pack(dtype), 1)
    if "BM" in words:
        axes["BM"] = (64,) if "gather" in name else (128, 64)
    if "EACH" in words:
        axes["EACH"] = (4, 1)
    if {"ROWS", "Table"} <= words:
        axes["ROWS"] = (most_rows(name, dtype, EMULATOR), FEWEST_ROWS)
    if "LANES" in words:
        axes["LANES"] = (32, 1)
    if "FUNCTION" in words:
        axes["FUNCTION"] = tuple(FUNCTIONS.values())
    if "LABEL" in words:
        axes["LABEL"] = ("i64", "int")
    for values in product(*axes.values()):
        macros = {**storage_macros(dtype), **dict(zip(axes, values, strict=True))}
        if name.startswith("pool/") and macros.get("VEC", 1) != 1 and not macros["NHWC"]:
            continue  # channels are neighbours in channels-last memory alone
        if macros.get("EACH") == 4 and macros["NHWC"]:
            continue  # four neighbours in logical order
        if name.endswith("tiled_grad_weight") and macros["VEC"] == 1 and macros["BM"] == 128:
            continue
        if "BM" in macros:
            macros["BN"] = macros["BM"]
        if "INDEX" in words:
            macros["INDEX"] = "unsigned char"
        yield macros


def everything(thorough: bool = True) -> Iterator[tuple[str, str, dict[str, object]]]:
    """(kernel, dtype, macros): all sets of float32, the widest of the other types; with ``thorough`` all of these too.

    The widest is the first: channels-last, 16-byte accesses, the largest tile.
    """
    for name in source.names():
        for dtype in STORAGE:
            for number, macros in enumerate(specialisations(name, dtype)):
                if thorough or dtype == "float32" or number == 0:
                    yield name, dtype, macros


def label(dtype: str, macros: dict[str, object]) -> str:
    """The set in short: ``float32 BM=64 VEC=4``."""
    rest = (f"{k}={v}" for k, v in macros.items() if k not in ("T", "ACC", "BN", "INDEX"))
    return " ".join([dtype, *rest])

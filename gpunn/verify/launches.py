"""Every build of every kernel: the macros that the variants' plans give it over the shape table, in every storage type.

Plans are pure, so that this takes no array, no compiler and no device.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import gpunn.cuda  # noqa: F401  (its modules fill the table of operations)
from gpunn.cuda import source
from gpunn.cuda.dtypes import STORAGE, storage_macros
from gpunn.cuda.variants import OPERATIONS
from gpunn.verify.problems import problems

Macros = dict[str, object]
Build = tuple[str, str, Macros]  # kernel, storage type, macros


def builds(thorough: bool = True) -> Iterator[Build]:
    """All sets of float32, the widest of the other types; with ``thorough`` all of these too, and every table.

    The widest has channels-last memory, the widest accesses, the largest tile and table. Of tensor cores' the largest
    tile of each precision, with and without what else it gives: a tile takes the compiler seconds.
    """
    for name, found in _by_kernel(thorough).items():
        for dtype, sets in found.items():
            alike: dict[tuple, list[Macros]] = {}
            for macros in sets:
                alike.setdefault(tuple(map(macros.get, ("PRECISION", "MOMENTS", "SLOPES"))), []).append(macros)
            for (precision, *_), kin in alike.items():
                whole = thorough or (dtype == "float32" and precision is None)
                yield from ((name, dtype, macros) for macros in (kin if whole else [max(kin, key=_width)]))


def _width(macros: Macros) -> list[int]:
    """By which sets are told apart: on tensor cores by the size of the tile."""
    if "PRECISION" in macros:
        return [math.prod(int(str(macros[side])) for side in ("BM", "BN") if side in macros)]
    return [n for _, n in sorted(macros.items()) if isinstance(n, int)]


def _by_kernel(thorough: bool) -> dict[str, dict[str, list[Macros]]]:
    """kernel -> storage type -> macro sets."""
    found: dict[str, dict[str, list[Macros]]] = {name: {} for name in source.names()}
    for dtype in STORAGE:
        for name, macros in _planned(dtype, thorough):
            sets = found[name].setdefault(dtype, [])
            if macros not in sets:
                sets.append(macros)
    return found


def _planned(dtype: str, thorough: bool) -> Iterator[tuple[str, Macros]]:
    for operation in OPERATIONS.values():
        for problem in problems(operation, dtype, thorough):
            for variant in operation.variants:
                if variant.refusal(problem):
                    continue
                launches = variant.plan(problem)
                yield from ((launch.kernel, dict(launch.macros)) for launch in launches)
                alone = set(variant.sources) - {launch.kernel for launch in launches}  # launched by itself, afterwards
                for name in sorted(alone) if launches else ():  # or by plans of its own
                    yield name, {**storage_macros(dtype)}


def label(dtype: str, macros: Macros) -> str:
    """The set in short: ``float32 BM=64 VEC=4``."""
    told = {"T": STORAGE[dtype][0], "ACC": STORAGE[dtype][1], "BN": macros.get("BM")}  # BM alone says a square
    rest = (f"{k}={v}".replace(" ", "-") for k, v in macros.items() if told.get(k) != v)
    return " ".join([dtype, *rest])

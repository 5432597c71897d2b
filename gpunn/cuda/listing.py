"""The kernels in words: what `gpunn kernels` prints."""

from __future__ import annotations

import json
from collections.abc import Iterator

from gpunn.cuda import source
from gpunn.cuda.variants import OPERATIONS
from gpunn.errors import UsageError


def listing(part: str = "") -> Iterator[str]:
    """Lines on the operations whose name contains ``part``: variants in order of preference, their files and figures.

    UsageError where there is none.
    """
    wanted = [operation for name, operation in OPERATIONS.items() if part in name]
    if not wanted:
        raise UsageError(f"kernels: no operation's name contains {part!r}; they are {', '.join(OPERATIONS)}")
    file = source.folder() / "resources.json"
    resources = json.loads(file.read_text()) if file.is_file() else {}
    for operation in wanted:
        yield operation.name
        for variant in operation.variants:
            yield f"  {variant.name}: takes {variant.takes}"
            for name in variant.sources:
                kernel = source.read(name.removesuffix(".cu"))
                yield f"    kernels/{kernel.file}: {kernel.title}"
                yield f"      flops {kernel.header['flops']}; bytes {kernel.header['bytes']}"
                if kernel.name in resources:
                    yield f"      {_most(resources[kernel.name])}"


def _most(builds: dict[str, dict[str, list[int]]]) -> str:
    """Registers, and where there is any static shared memory, an architecture: the most of the float32 builds."""
    chosen = [row for label, row in builds.items() if label.startswith("float32")] or list(builds.values())
    figures = []
    for architecture in chosen[0]:
        registers, shared = (max(row[architecture][i] for row in chosen) for i in (0, 1))
        figures.append(f"sm_{architecture} {registers}{f' + {shared} B' if shared else ''}")
    return f"registers{' + shared memory' if '+' in figures[0] else ''}: {', '.join(figures)}"

"""The way in: ``load`` a kernel of a source, and call what it returns."""

from __future__ import annotations

import os
import threading
from collections.abc import Sequence
from typing import Any

from gpunn.emulator.launch import launch
from gpunn.emulator.loader import Compiled, compiled


class Function(Compiled):
    """A compiled kernel. Call it with (grid, block, args), as ``launch`` describes."""

    def __call__(
        self,
        grid: tuple[int, ...],
        block: tuple[int, ...],
        args: Sequence[Any],
        shared_bytes: int = 0,
        **options: Any,
    ) -> None:
        launch(self, grid, block, args, shared_bytes, **options)


_loaded: dict[tuple, Function] = {}
_lock = threading.RLock()


def load(
    source: str,
    name: str,
    macros: dict[str, object] | None = None,
    filename: str = "kernel.cu",
    checked: bool | None = None,
) -> Function:
    """The kernel ``name`` of a CUDA source (local includes already inlined), compiled for the host.

    macros: as ``-D`` options. filename: what error messages call the source. checked: instrument memory accesses
    (default; ``GPUNN_EMULATOR_CHECK=0`` turns it off). Raises DeviceError where the source does not compile, with the
    compiler's log and the file's own line numbers, and where there is no compiler, with the package to install.
    """
    if checked is None:
        checked = os.environ.get("GPUNN_EMULATOR_CHECK", "1") != "0"
    key = (source, name, tuple(sorted((macros or {}).items())), filename, checked)
    with _lock:
        if key not in _loaded:
            _loaded[key] = Function(**vars(compiled(source, name, macros or {}, filename, checked)))
        return _loaded[key]

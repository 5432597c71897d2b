"""What other libraries ask of a Tensor: the array API standard's namespace, and NumPy's functions.

Tensor alone inherits from Protocols; what answers stands on the ops, and is looked up when called.
"""

# pyright: reportGeneralTypeIssues=false

from __future__ import annotations

from collections.abc import Callable, Iterable
from types import ModuleType
from typing import Any

import numpy as np

# The package, not its parts: those import Tensor, which stands on this class.
import gpunn
from gpunn import notebook
from gpunn.backend import to_numpy

VERSIONS = ("2021.12", "2022.12", "2023.12", "2024.12")


class Protocols:
    """`__array_namespace__`, `__array_function__`, and the standard's names of what Tensor has under others."""

    __slots__ = ()

    def __array_namespace__(self, *, api_version: str | None = None) -> ModuleType:
        """gpunn.array_api, whose functions code to the array API standard calls. ValueError: a later version."""
        if api_version not in (None, *VERSIONS):
            raise ValueError(
                f"__array_namespace__: api_version is {api_version!r}, expected one of {', '.join(VERSIONS)}; "
                "leave it out"
            )
        return gpunn.array_api

    def __array_function__(self, func: Callable, types: Iterable[type], args: tuple, kwargs: dict[str, Any]) -> Any:
        """np.mean(x) and the like: gpunn's own of the functions that it has, so that gradients go on.

        Of others NumPy's result, a plain array; TypeError where floats in it would have lost a gradient.
        """
        return gpunn.array_api.numpy_functions.called(func, types, args, kwargs)

    # The standard's operator that is no op

    def __pos__(self: gpunn.Tensor) -> gpunn.Tensor:
        return gpunn.array_api.positive(self)

    @property
    def mT(self: gpunn.Tensor) -> gpunn.Tensor:
        """The last two dimensions swapped."""
        return gpunn.array_api.matrix_transpose(self)

    def to_device(self: gpunn.Tensor, device: str | gpunn.Device, /) -> gpunn.Tensor:
        """On another device; gradients flow back through the move."""
        return self.to(device)

    # Notebooks

    def _repr_html_(self: gpunn.Tensor) -> str:
        """A table of the values, of the first matrix where there are more; only what it shows is read from a device."""
        a, more = self.array, ""
        if a.ndim > 2:
            more = f", the first of its matrices {a.shape[-2:]}"
            a = a[(0,) * (a.ndim - 2)] if 0 not in a.shape else a.reshape(0, 0)
        else:
            a = a[(None,) * (2 - a.ndim)]
        rows, columns = map(notebook.ends, a.shape)
        shown = np.block([[to_numpy(a[down, across]) for across in columns] for down in rows])
        grad = ", requires_grad" if self.requires_grad else ""
        caption = f"{type(self).__name__} {self.shape}, {self.dtype}, {self.device}{grad}{more}"
        return notebook.matrix(caption, a.shape, shown)

"""One answer to a name that nobody knows: the nearest match and the list."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

from gpunn.errors import UsageError


def unknown_name(what: str, got: object, known: Iterable[str]) -> UsageError:
    """The error for ``got``, which is no ``what``: suggests the nearest of ``known`` and lists them all."""
    names = list(known)
    near = difflib.get_close_matches(str(got).lower(), names, 1, cutoff=0.5)
    hint = f"did you mean {near[0]!r}? " if near else ""
    choice = f"choose from {', '.join(names)}" if names else "there are none"
    return UsageError(f"unknown {what} {got!r}; {hint}{choice}")

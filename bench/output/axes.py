"""One look for all pictures of results."""

from __future__ import annotations

from typing import Any

from gpunn.text import drawable

INK, GRID = "#2b2f36", "#d9dde3"
COLOURS = ("#1f6feb", "#d9480f", "#2b8a3e", "#9c36b5", "#c92a2a", "#0b7285", "#a87900", "#5c5f66")


def styled(axes: Any, title: str) -> Any:
    """The axes without a frame, small figures and the title on the left."""
    axes.tick_params(colors=INK, labelsize=8)
    axes.spines[["top", "right"]].set_visible(False)
    axes.set_axisbelow(True)
    axes.set_title(drawable(title, 100), fontsize=10, color=INK, loc="left")
    return axes

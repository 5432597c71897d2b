"""Runs a script written for PyTorch under either library: its text is one, its import lines are exchanged."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

HERE = Path(__file__).parent / "pytorch"


def exchanged(text: str) -> str:
    """The text with `torch` and `torchvision` in its import lines replaced by gpunn's."""
    lines = []
    for line in text.splitlines():
        if re.match(r"(import|from) torch\b", line):
            line = "import gpunn as torch" if line == "import torch" else line.replace("torch", "gpunn", 1)
        elif line.startswith("from torchvision import"):
            line = line.replace("torchvision", "gpunn.data")
        lines.append(line)
    return "\n".join(lines) + "\n"


def losses(name: str, ours: bool, folder: Path) -> list[float]:
    """What the script of this name leaves in `losses`.

    It finds here what a script has of its own: a folder for its files, a generator of NumPy's for data and noise, and
    `fill`, the first weights, which both libraries are to share.
    """
    text = (HERE / f"{name}.py").read_text()
    rng = np.random.default_rng(7)
    found: dict[str, Any] = {"__name__": name, "rng": rng, "fill": _filler(rng), "ROOT": folder / "data", "OUT": folder}
    exec(compile(exchanged(text) if ours else text, f"{name}.py", "exec"), found)
    return [float(loss) for loss in found["losses"]]


def _filler(rng: np.random.Generator) -> Callable[[Any], None]:
    def fill(model: Any) -> None:
        """Numbers of the size of PyTorch's own first weights."""
        for parameter in model.parameters():
            bound = max(1, int(np.prod(parameter.shape[1:]))) ** -0.5
            values = rng.uniform(-bound, bound, tuple(parameter.shape))
            own = parameter.detach().numpy()
            own[...] = values

    return fill

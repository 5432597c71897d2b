"""Other programs that do the same work: which are installed, and the call of each for a subject."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import numpy as np

from bench.clocks import Call
from bench.kernels.elements import ElementCase
from bench.kernels.subjects import Subject
from bench.measure import Unsupported, chosen
from gpunn import backend
from gpunn.errors import DeviceError

MODULES = {"torch": "eager", "compiled": "eager", "graph": "eager", "tf32": "eager", "cupy": "im2col"}
USUAL = {"cuda": "torch,cupy", "cpu": "torch", "emulator": "none"}  # torch.compile takes minutes for a few rows


def names_of(wanted: str | None, device: str) -> list[str]:
    """The rivals to ask: those named, else the ones that make sense on this device."""
    kind = backend.device(device).type
    names = USUAL[kind] if wanted is None or kind == "emulator" else wanted
    return [name for name in chosen("rival", names, [*MODULES, "none"]) if name != "none"]


def present(names: list[str], device: str) -> dict[str, str]:
    """What each rival says of itself: its version, or "missing: ..." with the reason."""
    said = {}
    for name in names:
        try:
            said[name] = import_module(f"{__name__}.{MODULES[name]}").version(device)
        except ImportError:
            said[name] = "missing: PyTorch is not installed (pip install torch)"
        except (Unsupported, DeviceError) as error:
            said[name] = f"missing: {error}"
    return said


def call(name: str, subject: Subject, device: str) -> Call:
    """The rival's function for a subject, its arrays already on the device. Raises Unsupported."""
    module = import_module(f"{__name__}.{MODULES[name]}")
    if isinstance(subject.given.case, ElementCase):
        return _element(module, name, subject, device)
    given = {key: module.moved(value, device) if isinstance(value, np.ndarray) else value
             for key, value in vars(subject.given).items()}  # fmt: skip
    run = module.FAMILIES[subject.operation.partition(".")[0]](**given).get(subject.pass_)
    if run is None:
        raise Unsupported(module.LACKS.format(subject.operation))
    run = module.compiled(run) if name == "compiled" else run
    return module.multiplying(subject.precision, run)


def _element(module: Any, name: str, subject: Subject, device: str) -> Call:
    """An op of the suite `elementwise`, or its gradient."""
    case: ElementCase = subject.given.case
    arrays, op = [module.moved(a, device) for a in subject.given.arrays], module.ELEMENTS.get(case.name)
    back = subject.given.back
    if op is None or (back and not hasattr(module, "gradient")):
        raise Unsupported(module.LACKS.format(subject.case))
    op = module.compiled(op) if name == "compiled" else op
    return module.multiplying(subject.precision, module.gradient(op, arrays) if back else lambda: op(*arrays))

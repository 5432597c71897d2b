"""The node tests of ONNX: an operator's attributes, inputs, and the outputs that its specification gives for them."""

from __future__ import annotations

import importlib
from typing import Any, NamedTuple

import numpy as np
import pytest


class Node(NamedTuple):
    """One node test; its inputs and outputs are NumPy arrays, in the order of the operator's."""

    name: str
    attributes: dict[str, Any]
    inputs: list[np.ndarray]
    outputs: list[np.ndarray]


def nodes(op: str) -> list[Node]:
    """The tests of an operator, named as its module of onnx.backend.test.case.node: "convtranspose", "maxpool".

    Without the onnx package the one that asks is skipped. Each of these modules makes its tests when it is imported.
    """
    onnx = pytest.importorskip("onnx", reason="the onnx package is not installed (extra dev)")
    cases = importlib.import_module("onnx.backend.test.case.node")
    importlib.import_module(f"onnx.backend.test.case.node.{op}")
    found = []
    for case in cases._NodeTestCases:
        (node, *others) = case.model.graph.node
        if others or node.op_type.lower() != op:  # other modules' tests, and operators spelt out in simpler ones
            continue
        attributes = {a.name: onnx.helper.get_attribute_value(a) for a in node.attribute}
        attributes = {name: a.decode() if isinstance(a, bytes) else a for name, a in attributes.items()}
        ((inputs, outputs),) = case.data_sets
        found.append(Node(case.name, attributes, list(inputs), list(outputs)))
    assert found, f"onnx has no node tests of {op}"
    return found

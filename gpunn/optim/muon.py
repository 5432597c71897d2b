"""Muon: momentum, made orthogonal, for matrices."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

import numpy as np

from gpunn import kinds, ops
from gpunn.asked import precision
from gpunn.backend import Array, array_module
from gpunn.backend.contract.optim import SKIP
from gpunn.kinds import Kind
from gpunn.optim.batch import Batch, Group
from gpunn.optim.optimizer import Optimizer
from gpunn.optim.options import OF_OPTIMISERS, Option, numbers

WAYS = kinds.choice("original", "match_rms_adamw")
THREE = numbers("three numbers", lambda a, b, c: True)


class Muon(Optimizer):
    """Muon (Jordan et al. 2024): p = (1 - lr weight_decay) p - lr' O, O near the orthogonal part of the momentum.

    b = momentum b + (1 - momentum) g; `nesterov` looks ahead, (1 - momentum) g + momentum b. `ns_steps` Newton-Schulz
    iterations x = a x + (b x x^T + c (x x^T)^2) x of `ns_coefficients` bring all singular values near 1, in TF32 where
    there are tensor cores (PyTorch's in bfloat16, so that steps agree to its rounding). lr' is
    lr sqrt(max(1, rows / columns)), with adjust_lr_fn="match_rms_adamw" 0.2 lr sqrt(max(rows, columns)) (Liu et al.
    2025). For matrices of hidden layers; biases, embeddings and the like take another optimiser. Memory: one array a
    parameter.

    Examples:
        >>> w = nn.Parameter([[1.0, 0.0], [0.0, 2.0]])
        >>> optimizer = gpunn.optim.Muon([w], lr=0.1, weight_decay=0)
        >>> (w * w).sum().backward()
        >>> optimizer.step()
        >>> w.detach().round(decimals=3)
        Tensor([[0.889, 0.   ],
                [0.   , 1.931]])
    """

    arrays = ("momentum_buffer",)
    frozen = ("momentum", "nesterov", "ns_coefficients", "eps", "ns_steps")
    options: ClassVar = {
        **OF_OPTIMISERS,
        "ns_coefficients": Option(THREE, (3.4445, -4.775, 2.0315)),
        "ns_steps": Option(kinds.whole(0, 99), 5),
        "adjust_lr_fn": Option(Kind(f"none, or {WAYS.words}", lambda v: v is None or WAYS.holds(v)), "original"),
    }

    def __init__(
        self,
        params: Iterable,
        lr: float = 1e-3,
        weight_decay: float = 0.1,
        momentum: float = 0.95,
        nesterov: bool = True,
        ns_coefficients: tuple[float, float, float] = (3.4445, -4.775, 2.0315),
        eps: float = 1e-7,
        ns_steps: int = 5,
        adjust_lr_fn: str | None = None,
    ):
        options = {"lr": lr, "weight_decay": weight_decay, "momentum": momentum, "nesterov": nesterov}
        options |= {"ns_coefficients": ns_coefficients, "eps": eps, "ns_steps": ns_steps, "adjust_lr_fn": adjust_lr_fn}
        super().__init__(params, options)

    def check(self, group: Mapping[str, Any]) -> None:
        for position, p in enumerate(group["params"]):
            if p.ndim != 2:
                raise ValueError(
                    f"Muon: params[{position}] has shape {p.shape}, expected a matrix; give the others to AdamW"
                )

    def rule(self, batch: Batch) -> None:
        shapes = [p.shape for p in batch.params]
        settings = batch.settings(self.numbers, lambda states: shapes)
        buffers, grads = batch.state("momentum_buffer"), batch.grads
        skip = batch.kept.get(SKIP)
        if skip is not None:  # a step that is left out moves no momentum either
            grads = [array_module(b).where(skip[0] != 0, b, g) for b, g in zip(buffers, grads, strict=True)]
        for momentum in {group["momentum"] for group in batch.groups}:
            rows = [i for i, group in enumerate(batch.groups) if group["momentum"] == momentum]
            kept = batch.kept.setdefault(f"momentum {momentum}", {})
            batch.rules.average([buffers[i] for i in rows], [grads[i] for i in rows], 1 - momentum, kept)
        found = [self._orthogonal(batch, *row) for row in zip(buffers, grads, batch.groups, strict=True)]
        batch.rules.sgd(batch.params, [None] * len(found), found, settings, batch.kept)

    def _orthogonal(self, batch: Batch, buffer: Array, grad: Array, group: Group) -> Array:
        momentum = grad + group["momentum"] * (buffer - grad) if group["nesterov"] else buffer
        if not buffer.size:
            return momentum
        x = momentum.astype(np.float32)
        x = x.T if x.shape[0] > x.shape[1] else x
        x = x / array_module(x).maximum(batch.rules.norm([x], 2.0), group["eps"])
        a, b, c = group["ns_coefficients"]
        has_tensor_cores = isinstance(x, np.ndarray) or int(x.device.compute_capability) >= 80  # else it would warn
        with precision("tf32" if has_tensor_cores else "fp32"):
            for _ in range(group["ns_steps"]):
                gram = ops.matmul(x, x.T)
                x = a * x + ops.matmul(b * gram + c * ops.matmul(gram, gram), x)
        x = x.T if buffer.shape[0] > buffer.shape[1] else x
        return x.astype(buffer.dtype)

    @staticmethod
    def numbers(group: Group, shape: tuple[int, int]) -> tuple:
        """The struct Setting of kernels/optim/sgd.cu: a rate by the shape, and a decay by the plain one."""
        rows, columns = shape
        ratio = math.sqrt(max(1.0, rows / max(columns, 1)))
        if group["adjust_lr_fn"] == "match_rms_adamw":
            ratio = 0.2 * math.sqrt(max(rows, columns, 1))
        return group["lr"] * ratio, 0, 1, group["weight_decay"] / ratio, 0, False, False

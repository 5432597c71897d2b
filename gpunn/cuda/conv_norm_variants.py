"""Variants of a convolution beside batch normalisation: forward gives it statistics, grad_input its gradient's sums."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields, replace
from typing import Any

from gpunn.cuda import conv_tensor, conv_wgmma, source
from gpunn.cuda.batch_norm_variants import apply_launches, unbiased
from gpunn.cuda.dtypes import accumulate
from gpunn.cuda.kernel import blocks
from gpunn.cuda.plans import Launch, Scratch, Tickets
from gpunn.cuda.problem import Conv, Norm
from gpunn.cuda.variants import Variant

FEWEST_JOINED = 16  # tiles whose parts one block merges, at least


@dataclass(frozen=True)
class ConvNorm(Conv):
    """A convolution, the normalisation of its result by the batch's statistics, a residual added and ReLU.

    Of grad_input: whether x is a normalisation's result after ReLU.
    """

    eps: float = 1e-5
    relu: int = 0
    gate: str = ""

    @property
    def conv(self) -> Conv:
        """The convolution alone."""
        return Conv(**{field.name: getattr(self, field.name) for field in fields(Conv)})

    @property
    def norm(self) -> Norm:
        """The normalisation alone."""
        n, k, *out = self.y
        return Norm(self.dtype, self.aligned, n, k, math.prod(out), True, self.eps, self.relu, 1, self.gate)


def _joined(launch: Launch, job: ConvNorm, image: tuple[int, ...], macro: str, **given: Any) -> Launch:
    """The launch with a macro that has its tiles of an image joined, and the arguments that it then takes, by name."""
    macros: dict[str, Any] = {**launch.macros, macro: 1}
    tiles = blocks(image[0] * math.prod(image[2:]), macros["BM"])
    strips = blocks(image[1] // job.groups, macros["BN"]) * job.groups
    fan = max(FEWEST_JOINED, math.isqrt(tiles - 1) + 1)
    parts = Scratch("parts", (2, tiles, image[1]), accumulate(job.dtype))
    names = [parameter.name for parameter in source.read(launch.kernel).parameters]
    found = dict(zip(names, launch.args, strict=True))
    found |= {"parts": parts, "tickets": Tickets(1 + strips * (blocks(tiles, fan) + 1)), "fan": fan, **given}
    return launch._replace(macros=macros, args=tuple(found.values()))


def _split(conv: Variant, job: ConvNorm) -> str:
    """That blocks share a tile, which has its parts and tickets for that."""
    shared = any(isinstance(arg, Tickets) for launch in conv.plan(job) for arg in launch.args)
    return "its tiles are split among blocks, for there are few" if shared else ""


def _fused(conv: Variant) -> Variant:
    """The convolution's variant, its last launch with MOMENTS, then batch_norm/apply."""

    def plan(job: ConvNorm) -> tuple[Launch, ...]:
        *before, launch = conv.plan(job)
        norm = job.norm
        moved = {name: name for name in ("mean", "rstd", "running_mean", "running_var", "batches", "momentum")}
        asked = {"y": "z", "residual": None, **moved, "eps": job.eps, "ratio": unbiased(norm)}
        return (*before, _joined(launch, job, job.y, "MOMENTS", **asked), *apply_launches(norm, "z"))

    return replace(
        conv,
        sources=(*conv.sources, "batch_norm/apply"),
        takes=f"{conv.takes}; statistics in its epilogue, then one pass",
        refusal=lambda job: conv.refusal(job) or _split(conv, job),
        plan=plan,
    )


def _sloped(conv: Variant) -> Variant:
    """The convolution's variant of grad_input, its last launch with SLOPES."""

    def refusal(job: ConvNorm) -> str:
        if reason := conv.refusal(job):
            return reason
        if set(job.win.stride) != {1}:
            return f"stride {job.win.stride} is not 1, where all tiles of a channel lie below each other"
        return _split(conv, job)

    def plan(job: ConvNorm) -> tuple[Launch, ...]:
        *before, launch = conv.plan(job)
        given = {name: name for name in ("z", "mean", "rstd", "ggamma", "gbeta")}
        return (*before, _joined(launch, job, job.x, "SLOPES", x="x" if job.relu else None, **given))

    takes = f"{conv.takes}, stride 1; the sums of the norm before it in its epilogue"
    return replace(conv, takes=takes, refusal=refusal, plan=plan)


FUSED = tuple(map(_fused, (*conv_wgmma.FORWARD, *conv_tensor.FORWARD)))  # in the order of conv2d.forward
SLOPED = tuple(map(_sloped, (*conv_wgmma.GRAD_INPUT, *conv_tensor.GRAD_INPUT)))

"""The one step by which a network's convolutions, normalisations and ReLUs go into fewer passes: nn.fuse."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple, TypeVar

from gpunn.nn.activation import ReLU
from gpunn.nn.batch_norm import _BatchNorm
from gpunn.nn.containers import Sequential
from gpunn.nn.conv import Conv2d
from gpunn.nn.fusion import NORMS
from gpunn.nn.module import Module

M = TypeVar("M", bound=Module)
FOLDED = "folded into {conv}"
MEASURED = "statistics by {conv}, one pass"
SEPARATE = "a pass of its own"


class Pair(NamedTuple):
    """A convolution, the normalisation behind it, and what comes then: "", "relu" or "residual, relu"."""

    conv: str
    norm: str
    then: str


class Row(NamedTuple):
    """What becomes of a normalisation in training and in evaluation, and why, where it is left as it was."""

    norm: str
    training: str
    evaluation: str
    why: str


def fuse(model: M) -> M:
    """Let `model` compute in fewer passes what it computes, print what that is, and give the same model.

    In evaluation, where no gradient is asked for, batch normalisation goes into the weights and the bias of the
    convolution before it, ReLU and a residual that is added before it into the convolution's own pass. In training they
    go into the normalisation's, and the batch's statistics come from the convolution: on tensor cores (sm_80 and later)
    its blocks make them of what they store, where its result was read once more for them. There, too, the convolution
    behind gives the normalisation the sums with which its backward pass begins. Results change by rounding alone.
    Parameters, statistics and state_dict stay what they are: the weights that also normalise are made at each call from
    those of that moment. A layer that a hook watches runs on its own. `unfuse` undoes it.

    >>> net = nn.fuse(nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.ReLU()))
    layer  in training                          in evaluation         left, because
    -----  -----------------------------------  --------------------  -------------
    1      statistics by 0, one pass with relu  folded into 0, relu
    >>> net
    Sequential(
      0: Conv2d(3->8, 3x3, stride 1, padding 0)
      1: BatchNorm2d(8, fused)
      2: ReLU()
    )
    """
    if not isinstance(model, Module):
        raise TypeError(f"fuse: model is a {type(model).__name__}, expected a Module; pass the network itself")
    rows = _rows(model)
    named = dict(model.named_modules())
    for row in rows:
        if row.evaluation != SEPARATE or row.training != SEPARATE:
            named[row.norm].fused = True
    print(_table(rows))
    return model


def unfuse(model: M) -> M:
    """Undo `fuse`: the same model, each layer in passes of its own again.

    >>> net = nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8))
    >>> nn.unfuse(net)[1]
    BatchNorm2d(8)
    """
    for module in model.modules():
        if "fused" in module.__dict__ and isinstance(module, _BatchNorm):
            del module.fused
    return model


def _rows(model: Module) -> list[Row]:
    """A row a normalisation, in the network's order."""
    named = dict(model.named_modules())
    names = {id(module): name for name, module in named.items()}
    pairs: dict[int, tuple[Module, Pair]] = {}
    for name, module in named.items():
        for pair in _pairs(module):
            conv, norm = _child(module, pair.conv), _child(module, pair.norm)
            if isinstance(norm, _BatchNorm):
                full = f"{name}.{pair.conv}" if name else pair.conv
                pairs[id(norm)] = conv, pair._replace(conv=full)
    return [_row(names[id(m)], m, *pairs.get(id(m), (None, None))) for m in named.values() if isinstance(m, _BatchNorm)]


def _row(name: str, norm: _BatchNorm, conv: Module | None, pair: Pair | None) -> Row:
    if conv is None or pair is None:
        return Row(name, SEPARATE, SEPARATE, "what comes before it is known to forward alone")
    training = MEASURED.format(conv=pair.conv) + (f" with {pair.then}" if pair.then else "")
    if type(conv) is not Conv2d or type(norm) not in NORMS:
        return Row(name, SEPARATE, SEPARATE, f"it is of a {type(conv).__name__}: Conv2d alone takes BatchNorm2d along")
    if norm.running_mean is None:
        return Row(name, training, training, "it keeps no running statistics")
    watched = next((one for one in (conv, norm) if one._forward_hooks), None)
    if watched is not None:
        return Row(name, SEPARATE, SEPARATE, f"a hook watches the {type(watched).__name__}")
    evaluation = FOLDED.format(conv=pair.conv) + (f", {pair.then}" if pair.then else "")
    if norm.shared:
        return Row(name, SEPARATE, evaluation, "in training its statistics are of all ranks")
    return Row(name, training, evaluation, "")


def _pairs(module: Module) -> Iterator[Pair]:
    """What a module says of its children, and neighbours in a chain."""
    for conv, norm, then in getattr(module, "conv_norms", ()):
        yield Pair(conv, norm, then)
    if isinstance(module, Sequential):
        layers = list(module.named_children())
        for i, (name, layer) in enumerate(layers):
            if i and isinstance(layer, _BatchNorm) and type(layers[i - 1][1]).__name__.startswith("Conv"):
                relu = i + 1 < len(layers) and type(layers[i + 1][1]) is ReLU
                yield Pair(layers[i - 1][0], name, "relu" if relu else "")


def _child(module: Module, name: str) -> Module:
    return dict(module.named_children())[name]


def _table(rows: list[Row]) -> str:
    head = ("layer", "in training", "in evaluation", "left, because")
    if not rows:
        return "fuse: no batch normalisation, nothing to fuse"
    widths = [max(map(len, column)) for column in zip(head, *rows, strict=True)]
    lines = [head, tuple("-" * width for width in widths), *rows]
    return "\n".join("  ".join(c.ljust(w) for c, w in zip(line, widths, strict=True)).rstrip() for line in lines)

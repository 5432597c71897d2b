"""What a training step keeps for its backward pass, layer by layer, counted in one that leaves everything as it was."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any, NamedTuple

from gpunn import random
from gpunn.backend import array_module, device_of, synchronize
from gpunn.backend.memory import watched
from gpunn.engine import autograd
from gpunn.engine.kept import bytes_kept, nodes_behind
from gpunn.engine.operators import Operand
from gpunn.engine.tensor import Tensor, data_of
from gpunn.nn.receptive import Layer
from gpunn.nn.state import modes_kept

noted: Callable[..., Any] | None = None  # calls a Module's forward while its calls are counted
_one_at_a_time = threading.RLock()


class Kept(NamedTuple):
    """Name and bytes of each call, of Modules with others inside what they keep besides; and bytes in use at most."""

    layers: list[tuple[str, int]]
    peak: int

    @property
    def total(self) -> int:
        return sum(size for _, size in self.layers)


class _Call(NamedTuple):
    """One call of a Module's forward: the nodes that it made have numbers between these."""

    name: str
    first: int
    last: int


def kept_by_layer(model: Any, x: Operand, loss: Callable[[Any], Tensor] | None = None) -> Kept:
    """What forward in training keeps and backward has in use; a ``loss`` of the model's output is kept as "loss".

    Memory counts where it is first kept, parameters and buffers never; the input does, where a layer keeps it.
    """
    calls: list[_Call] = []
    with ExitStack() as state:
        state.enter_context(_unchanged(model))
        state.enter_context(_noting(model, calls))
        use = state.enter_context(watched(device_of(data_of(x))))
        y = model(x)
        y = y if loss is None else loss(y)
        roots = [(each._node, each.array) for each in _tensors(y) if each._node is not None]
        nodes = nodes_behind(node for node, _ in roots)
        sizes = bytes_kept(nodes, [*(p.array for p in model.parameters()), *(b.array for b in model.buffers())])
        del nodes, y
        autograd.walk([(node, array_module(data).ones_like(data)) for node, data in roots])
        synchronize(device_of(data_of(x)))
    owned: dict[_Call, int] = dict.fromkeys(calls, 0)
    outside = 0
    for number, size in sizes.items():
        inside = [call for call in calls if call.first < number < call.last]
        if inside:
            owned[max(inside, key=lambda call: call.first)] += size  # the innermost began last
        else:
            outside += size
    layers = [(call.name, size) for call, size in owned.items()]
    return Kept([*layers, ("loss", outside)] if loss is not None else layers, use.peak)


@contextmanager
def _noting(model: Layer, calls: list[_Call]) -> Iterator[None]:
    """Notes the calls of each Module, without a hook, beside which layers would not be computed together."""
    names = {id(module): name for name, module in model.named_modules()}

    def note(module: Layer, *args: Any, **kwargs: Any) -> Any:
        if (name := names.get(id(module))) is None or threading.current_thread() is not here:
            return module.forward(*args, **kwargs)
        at, first = len(calls), autograd.mark()
        y = module.forward(*args, **kwargs)
        calls.insert(at, _Call(name, first, autograd.mark()))
        return y

    global noted
    here = threading.current_thread()
    with _one_at_a_time:
        noted = note
        try:
            yield
        finally:
            noted = None


@contextmanager
def _unchanged(model: Any) -> Iterator[None]:
    """Training mode, unless the model is in it; after, the modes, buffers and random numbers are what they were."""
    buffers = [(buffer.array, buffer.array.copy()) for buffer in model.buffers()]
    drawn = random.get_state()
    with modes_kept(model):
        if not model.training:
            model.train()
        try:
            yield
        finally:
            random.set_state(drawn)
            for buffer, before in buffers:
                buffer[...] = before


def _tensors(value: Any) -> Iterator[Tensor]:
    """The Tensors in what a model gives: itself, or in tuples, lists and dicts."""
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, (tuple, list, dict)):
        for each in value.values() if isinstance(value, dict) else value:
            yield from _tensors(each)

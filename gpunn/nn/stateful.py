"""A Module's state under names: given out, and taken in."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from gpunn.backend import Array
from gpunn.engine.tensor import Tensor
from gpunn.nn.contents import Contents, M, dotted
from gpunn.nn.parameter import Parameter, Uninitialized
from gpunn.nn.state import Keys, load

EXTRA = "_extra_state"


class Stateful(Contents[M]):
    """The part of a Module that saves and loads.

    A subclass with get_extra_state() and set_extra_state(state) adds what it likes, under "_extra_state".
    """

    def _state(self, prefix: str = "") -> Iterator[tuple[str, Tensor]]:
        """Parameters and buffers under PyTorch's keys and in its order; a shared Module under each of its names."""
        for name, parameter in self._own_parameters():
            yield dotted(prefix, name), parameter
        for name, buffer in self._own_buffers():
            if self._buffer_names[name]:
                yield dotted(prefix, name), buffer
        for name, child in self._own_modules():
            yield from child._state(dotted(prefix, name))

    def _extras(self) -> dict[str, Any]:
        """The Modules that have extra state, by its key."""
        found = self.named_modules(remove_duplicate=False)
        return {dotted(path, EXTRA): module for path, module in found if hasattr(type(module), "get_extra_state")}

    def named_arrays(self) -> dict[str, Array]:
        """The plain arrays of all parameters and buffers, under the keys of `state_dict`."""
        return {name: tensor.array for name, tensor in self._state()}

    def state_dict(self, *, destination: None = None, prefix: str = "", keep_vars: bool = False) -> dict[str, Any]:
        """All parameters and buffers under PyTorch's keys, as Tensors that share their memory.

        What a later step changes, changes there too: copy.deepcopy keeps a state, gpunn.save writes one.

        Args:
            destination: None; a new dict is made.
            prefix: stands before each key.
            keep_vars: give the parameters themselves, which know their gradients.

        >>> list(nn.Linear(2, 1).state_dict(prefix="head."))
        ['head.weight', 'head.bias']
        """
        if destination is not None:
            got = type(destination).__name__
            raise TypeError(f"state_dict: destination is a {got}, expected None; update that with what this gives")
        state = {prefix + name: tensor if keep_vars else tensor.data for name, tensor in self._state()}
        return state | {prefix + name: module.get_extra_state() for name, module in self._extras().items()}

    def load_state_dict(self, state_dict: Mapping[str, Any], strict: bool = True, assign: bool = False) -> Keys:
        """Copy arrays, Tensors or PyTorch tensors into parameters and buffers of the same names.

        strict=False passes over missing and unexpected keys and returns them. assign=True takes the arrays themselves,
        in their dtypes and on their devices. CheckpointError lists every key that does not fit; nothing is changed
        then, but that lazy layers are made. An array that stands under two names here may have one in `state_dict`,
        and num_batches_tracked, which old files lack, keeps its value where it is missing.
        """
        state = state_dict
        if isinstance(state, Mapping):
            module: Any
            for path, module in self.named_modules():
                if type(module)._before_loading is not Stateful._before_loading:
                    start = len(dotted(path, ""))
                    module._before_loading({key[start:]: value for key, value in state.items() if under(path, key)})
        extras, held = self._extras(), dict(self._state())
        others = [*extras, *(name for name, tensor in held.items() if isinstance(tensor, Uninitialized))]
        own = {name: tensor.array for name, tensor in held.items() if name not in others}

        def put(name: str, array: Array) -> None:
            tensor = held[name]
            if isinstance(tensor, Parameter):
                tensor.replace(array)
            else:
                tensor.array = array

        keys = load(type(self).__name__, own, state, strict, others, put if assign else None)
        for name, module in extras.items():
            if name in state:
                module.set_extra_state(state[name])
        return keys

    def _before_loading(self, state: Mapping[str, Any]) -> None:
        """What a lazy layer does with its part of a state that is about to be loaded."""


def under(path: str, key: str) -> bool:
    """Whether a key is of the Module at this path."""
    return not path or key.startswith(path + ".")

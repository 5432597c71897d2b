"""All parameters as one vector, and back."""

from __future__ import annotations

from collections.abc import Iterable

from gpunn import ops
from gpunn.engine import written
from gpunn.engine.tensor import Tensor, data_of


def parameters_to_vector(parameters: Iterable[Tensor]) -> Tensor:
    """The elements of all parameters, one after the other; gradients flow back.

    Examples:
        >>> nn.utils.parameters_to_vector(nn.Linear(2, 3).parameters()).shape
        (9,)
    """
    return ops.concatenate([ops.reshape(p, (-1,)) for p in parameters])


def vector_to_parameters(vec: Tensor, parameters: Iterable[Tensor]) -> None:
    """Let the parameters have the elements of a vector, in the order of parameters_to_vector; they are copied.

    Raises:
        ValueError: the vector has more or fewer elements than the parameters.

    Examples:
        >>> layer = nn.Linear(2, 1)
        >>> nn.utils.vector_to_parameters(gpunn.tensor([1.0, 2.0, 3.0]), layer.parameters())
        >>> layer.weight.tolist(), layer.bias.tolist()
        ([[1.0, 2.0]], [3.0])
    """
    given = list(parameters)
    count = sum(data_of(p).size for p in given)
    if vec.shape != (count,):
        raise ValueError(f"vector_to_parameters: vec is {vec.shape}, expected ({count},), an element for each number")
    at = 0
    for p in given:
        array = data_of(p)
        array[...] = data_of(vec)[at : at + array.size].reshape(array.shape)
        written.note(written.blocks([array]))
        at += array.size

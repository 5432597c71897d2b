"""Tensor: an array that remembers how it was made; the array behind an argument; gradients."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NoReturn, overload

import numpy as np
from numpy.typing import DTypeLike

from gpunn import left_out
from gpunn.backend import Array, Device, array_module, asarray, device_of, is_array, plain, streams, to_numpy
from gpunn.backend.dispatch import CUPYS
from gpunn.dtypes import as_dtype
from gpunn.engine import autograd
from gpunn.engine.alias import UNTRACKED, Alias, join
from gpunn.engine.autograd import Gradients, Leaf, Node
from gpunn.engine.conversion_methods import ConversionMethods
from gpunn.engine.index_methods import IndexMethods
from gpunn.engine.math_methods import MathMethods
from gpunn.engine.operators import Operators, Value
from gpunn.engine.place_methods import PlaceMethods
from gpunn.engine.protocols import Protocols
from gpunn.engine.reduction_methods import ReductionMethods
from gpunn.engine.shape_methods import ShapeMethods
from gpunn.errors import kind_of
from gpunn.handle import Handle
from gpunn.text import brief


class Tensor(
    Operators,
    MathMethods,
    ReductionMethods,
    ShapeMethods,
    IndexMethods,
    PlaceMethods,
    ConversionMethods,
    Protocols,
):
    """An array with a gradient.

    Args:
        array: an array of any device (kept; copied only where it is unaligned or of another byte order), a number, a
            nested list (whose integers become floating point; `gpunn.tensor` keeps them), another framework's tensor
            (taken over through DLPack where it can be), or a Tensor (its array is shared).
        requires_grad: whether ``backward`` fills ``.grad``. Floating point only.
        sizes: PyTorch's ``Tensor(2, 3)`` of two sizes or more, whose values are to be filled in.

    Attributes:
        array: the plain array itself; changing it in place between forward and backward makes gradients wrong.
        gradient: the plain array behind ``grad``, or None. Gradients accumulate: set one of them to None before the
            next backward.

    Raises:
        TypeError: an integer or bool array with ``requires_grad``, or data that is no array of numbers.
    """

    __slots__ = ("__weakref__", "_alias", "_node", "_origin", "_read", "_requires_grad", "array", "gradient")
    # NumPy and CuPy leave `array + tensor` to Tensor.__radd__; CuPy for None alone, so that np.exp(tensor) is refused.
    __array_ufunc__ = None
    __array_priority__ = 1000.0

    def __init__(self, array: object, requires_grad: bool = False, *sizes: int):
        if type(array) is int and type(requires_grad) is int:  # PyTorch's Tensor(2, 3), whose values are any
            array, requires_grad = np.zeros((array, requires_grad, *sizes), as_dtype("Tensor", None)), False
        data = data_of(array)
        if isinstance(array, list | tuple) and data.dtype.kind in "iub":  # as PyTorch's: tensor() keeps integers
            data = data.astype(as_dtype("Tensor", None))
        if not is_array(array) and not getattr(data.flags, "writeable", True):
            data = data.copy()  # JAX's may not change, and a Tensor does in training
        if data.dtype.kind not in "fiubV":  # V: bfloat16 of ml_dtypes
            raise TypeError(f"Tensor: got dtype {data.dtype}; expected floating point, integers or bool")
        self.array: Array = data
        self.gradient: Array | None = None
        self._node: Node | None = None
        self._requires_grad = False
        self._alias: Alias | None = None  # where another Tensor shares the memory
        self._origin: Any = None  # of x[index]: x and index; of x.reshape(...): a weak reference to x
        self._read = False  # whether a recorded op has taken it
        if isinstance(array, Tensor) and data is array.array:
            join(array, self)
        if requires_grad:
            self.requires_grad = True

    # What it is

    @property
    def shape(self) -> tuple[int, ...]:
        return self.array.shape

    @property
    def dtype(self) -> np.dtype:
        return self.array.dtype

    @property
    def ndim(self) -> int:
        return self.array.ndim

    @property
    def device(self) -> Device:
        return device_of(self.array)

    @property
    def data(self) -> Tensor:
        """The array as a Tensor without history. What changes it in place changes this, unseen by the record."""
        return _untracked(self.array)

    @data.setter
    def data(self, value: object) -> None:
        self.array = data_of(value)

    @property
    def grad(self) -> Tensor | None:
        """The gradient as a Tensor, or None; what changes it in place changes the gradient."""
        return None if self.gradient is None else _untracked(self.gradient)

    @grad.setter
    def grad(self, value: Any) -> None:
        gradient = value.array if isinstance(value, Tensor) else value
        if gradient is not None and getattr(gradient, "shape", None) != self.array.shape:
            got = gradient.shape if is_array(gradient) else kind_of(gradient)
            raise ValueError(f"grad: got {got}, expected an array of the Tensor's shape {self.array.shape}, or None")
        self.gradient = gradient

    @property
    def is_leaf(self) -> bool:
        """Whether the user made it, rather than a recorded operation."""
        return self._node is None or isinstance(self._node, Leaf)

    @property
    def requires_grad(self) -> bool:
        return self._requires_grad

    @requires_grad.setter
    def requires_grad(self, wanted: bool) -> None:
        if wanted not in (True, False):
            raise TypeError(f"Tensor: requires_grad is {brief(wanted)}, expected True or False")
        if wanted and self.dtype.kind not in "fV":
            raise TypeError(
                f"Tensor: dtype {self.dtype} cannot require a gradient; only floating point can: "
                "convert it first, for example with array.astype('float32')"
            )
        if not wanted and not self.is_leaf:
            raise RuntimeError(
                "Tensor: requires_grad can be switched off on leaves only; use .detach() to cut a computed value off"
            )
        self._requires_grad = bool(wanted)

    def __repr__(self) -> str:
        values = np.array2string(to_numpy(self.array), separator=", ", prefix="Tensor(", threshold=50)
        extra = f", dtype={self.dtype}" if self.dtype != np.float32 else ""
        extra += f", device={self.device}" if str(self.device) != "cpu" else ""
        return f"Tensor({values}{extra}{', requires_grad=True' if self.requires_grad else ''})"

    if not TYPE_CHECKING:  # type checkers know the names

        def __getattr__(self, name: str) -> NoReturn:
            kind = type(self)
            raise left_out.lacking(kind.__name__, name, left_out.OF_TENSOR, lambda: dir(kind))

    # Gradients

    def backward(
        self,
        gy: Value | None = None,
        retain_graph: bool | None = False,
        create_graph: bool = False,
        *,
        gradient: Value | None = None,
    ) -> None:
        """Add the gradient of this value to ``.grad`` of every leaf that it was computed from.

        Args:
            gy: gradient of the final value with respect to this one, same shape; may be left out for one element.
            retain_graph: keep what was saved for a second backward through the same graph.
            create_graph: False; there are no second derivatives.
            gradient: PyTorch's name of gy.

        Raises:
            RuntimeError: nothing here requires a gradient, or the graph was already used.
            ValueError: ``gy`` is missing for more than one element, or has another shape.
        """
        refuse_graph("backward", create_graph)
        root, seed = node_of(self, "backward"), _seed(self, gradient if gy is None else gy, "backward")
        autograd.backward(root, seed, bool(retain_graph))

    def _take(self, gradient: Tensor) -> None:
        """Add a gradient that others hold, too."""
        self._receive(gradient.array, False)

    def _receive(self, gradient: Array, fresh: bool) -> None:
        if self.gradient is None:
            self.gradient = gradient if fresh else gradient.copy(order="K")
        elif self.gradient.dtype == gradient.dtype:
            self.gradient += gradient
        else:  # `array` was replaced by one of another dtype since
            self.gradient = self.gradient.astype(gradient.dtype) + gradient

    def register_hook(self, hook: Callable[[Tensor], Any]) -> Callable[[], None]:
        """Call ``hook(gradient)`` whenever the whole gradient of this Tensor has been computed.

        The hook gets a Tensor and must not change it; what it returns, unless None, takes the gradient's place.
        Returns a handle: handle.remove() takes the hook away.
        """
        return node_of(self, "register_hook").add_hook(lambda gradient: hook(Tensor(gradient)))

    def register_post_accumulate_grad_hook(self, hook: Callable[[Tensor], object]) -> Handle:
        """Call ``hook(x)`` of this leaf x in each backward as soon as x.grad has all of it, while others are to come.

        Returns a handle, as register_hook does. RuntimeError for a computed value.
        """
        node = node_of(self, caller := "register_post_accumulate_grad_hook")
        if not isinstance(node, Leaf):
            raise RuntimeError(f"{caller}: got a computed value, expected a leaf; take register_hook for its gradient")
        return node.add_waiting(hook)

    def detach(self) -> Tensor:
        """The same array without its history."""
        cut = Tensor(self.array)
        join(self, cut)
        return cut

    def requires_grad_(self, requires_grad: bool = True) -> Tensor:
        self.requires_grad = requires_grad
        return self

    # Copies: the graph stays behind, since a copied node would deliver its gradients to the original

    def __deepcopy__(self, memo: dict) -> Tensor:
        copied = _leaf_like(type(self), self._own_data().copy(order="K"), self._requires_grad)
        copied.gradient = None if self.gradient is None else self.gradient.copy(order="K")
        memo[id(self)] = copied
        return copied

    def __reduce__(self) -> tuple:
        made = type(self), self._own_data(), self._requires_grad
        gradient = self.gradient
        return (_leaf_like, made) if gradient is None else (_leaf_like, made, (None, {"gradient": gradient}))

    def __copy__(self) -> Tensor:
        copied = _leaf_like(type(self), self._own_data(), self._requires_grad)  # two may not add into one gradient
        join(self, copied)
        return copied

    def _own_data(self) -> Array:
        if not self.is_leaf:
            raise RuntimeError(
                "Tensor: a value computed from others cannot be copied or pickled with its history; use .detach() first"
            )
        return self.array

    # Other libraries

    def __array__(self, dtype: DTypeLike | None = None, copy: bool | None = None) -> np.ndarray:
        return np.array(to_numpy(self.array), dtype=dtype, copy=copy)

    def __dlpack__(self, **options: Any) -> object:
        return self.array.__dlpack__(**options)

    def __dlpack_device__(self) -> tuple[int, int]:
        return self.array.__dlpack_device__()


def node_of(tensor: Tensor, caller: str) -> Node:
    """The tensor's place in the graph. RuntimeError where it requires no gradient."""
    if not tensor._requires_grad:
        raise RuntimeError(
            f"{caller}: this Tensor requires no gradient; make a leaf with Tensor(array, requires_grad=True), "
            "and check that the computation is not inside no_grad()"
        )
    node, data = tensor._node, tensor.array
    # A leaf whose `data` the user has replaced by another kind of array needs a node of its own.
    if node is not None and (
        not isinstance(node, Leaf)
        or (type(data) is node.array_type and data.dtype == node.dtype and data.shape == node.shape)
    ):
        return node
    leaf = Leaf(tensor)
    if node is not None:
        leaf.stand_for(node)
    tensor._node = leaf
    return leaf


def _seed(tensor: Tensor, gy: Value | None, caller: str) -> Array:
    """The gradient to start from: ``gy`` checked, or 1 for a single element."""
    if gy is None:
        if tensor.size != 1:
            raise ValueError(
                f"{caller}: a value of shape {tensor.shape} needs a gradient of that shape; pass gy, or reduce to one "
                "element first, for example with .sum()"
            )
        # Where the array can get no further than the loss's own gradient it need not be a new one, which is a launch.
        node, on_cpu = tensor._node, type(tensor.array) is np.ndarray
        if not on_cpu and node is not None and node.owned and not node.hooks:
            return streams.ones(tensor.array)
        return array_module(tensor.array).ones_like(tensor.array)
    gy = asarray(data_of(gy), dtype=tensor.dtype)
    if gy.shape != tensor.shape or device_of(gy) != tensor.device:
        raise ValueError(
            f"{caller}: gy has shape {gy.shape} on {device_of(gy)}, expected {tensor.shape} on {tensor.device}: "
            "the shape and device of the value"
        )
    return gy


def refuse_graph(caller: str, create_graph: bool) -> None:
    """NotImplementedError for a gradient that is to be differentiated again."""
    if create_graph:
        raise NotImplementedError(
            f"{caller}: create_graph=True asks for second derivatives, which gpunn has not; leave it out, and write "
            "the gradient that you need as ops of its own"
        )


def data_of(x: Any) -> Array:
    """The array behind an op's argument: a Tensor's own, an array as it is, else a new array on the default device."""
    if isinstance(x, Tensor):
        return x.array
    if type(x) in CUPYS and x.dtype.isnative:  # what plain says of it, sooner
        return x
    if is_array(x):
        return plain(x)
    refuse_lost_gradients(x)
    return asarray(x)


def refuse_lost_gradients(x: object) -> None:
    """TypeError for a list of Tensors that would become an array without their gradients."""
    if isinstance(x, list | tuple) and autograd.is_grad_enabled() and _any_requires_grad(x):
        raise TypeError(
            "a list of Tensors that require gradients would become an array and lose them; join them with "
            "ops.stack or ops.concatenate, or pass the .detach() of each"
        )


def _any_requires_grad(x: object) -> bool:
    if isinstance(x, list | tuple):
        return any(_any_requires_grad(each) for each in x)
    return isinstance(x, Tensor) and x.requires_grad


def _leaf_like(kind: type[Tensor], data: Array, requires_grad: bool) -> Tensor:
    """A leaf of the class ``kind``, whatever its own __init__ takes."""
    leaf = kind.__new__(kind)
    Tensor.__init__(leaf, data, requires_grad)
    return leaf


def _untracked(array: Array) -> Tensor:
    """A Tensor of .data or .grad: in place, its memory changes, whatever is recorded."""
    made = Tensor(array)
    made._alias = UNTRACKED
    return made


@overload
def grad(outputs: Tensor, inputs: Tensor, gy: Value | None = None, retain_graph: bool = False) -> Array | None: ...
@overload
def grad(
    outputs: Tensor, inputs: Sequence[Tensor], gy: Value | None = None, retain_graph: bool = False
) -> Gradients: ...
def grad(
    outputs: Tensor, inputs: Tensor | Sequence[Tensor], gy: Value | None = None, retain_graph: bool = False
) -> Array | Gradients | None:
    """Gradients of ``outputs`` with respect to ``inputs``, as arrays, leaving every ``.grad`` alone.

    Args:
        outputs: the Tensor to differentiate.
        inputs: one Tensor or several, leaves or not.
        gy: gradient of ``outputs``, needed unless it has one element.

    Returns:
        one array, or a tuple of arrays as long as ``inputs``; None for an input that ``outputs`` does not depend on.
    """
    wanted = (inputs,) if isinstance(inputs, Tensor) else tuple(inputs)
    nodes = [node_of(x, "grad") for x in wanted]
    root = (node_of(outputs, "grad"), _seed(outputs, gy, "grad"))
    found = autograd.walk([root], retain_graph, until=set(nodes))
    # Copies of what others hold: two results, or a result and gy, may not share memory.
    given: list[tuple[Array | None, bool]] = [found.get(node, (None, True)) for node in nodes]
    alone = [fresh and (g is None or nodes.index(nodes[i]) == i) for i, (g, fresh) in enumerate(given)]
    got = tuple(g if own or g is None else g.copy() for (g, _), own in zip(given, alone, strict=True))
    return got[0] if isinstance(inputs, Tensor) else got

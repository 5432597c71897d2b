"""Layers that learn from their first input how many channels or features it has."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any, ClassVar

from gpunn.backend.contract import Shape
from gpunn.engine.tensor import Tensor, data_of
from gpunn.nn import init
from gpunn.nn.batch_norm import BatchNorm1d, BatchNorm2d, BatchNorm3d
from gpunn.nn.conv import Conv1d, Conv2d, Conv3d
from gpunn.nn.conv_transpose import ConvTranspose1d, ConvTranspose2d, ConvTranspose3d
from gpunn.nn.group_norm import InstanceNorm1d, InstanceNorm2d, InstanceNorm3d
from gpunn.nn.linear import Linear
from gpunn.nn.module import Module
from gpunn.nn.parameter import UninitializedBuffer, UninitializedParameter
from gpunn.ops.frame import LETTERS


class Lazy(Module):
    """What the lazy layers share: the arguments of their class but for the first, which the first input tells.

    The first call, or load_state_dict, makes the parameters, with the next numbers of gpunn.random, and the layer
    becomes one of its class. Until then its parameters are UninitializedParameters, which an optimiser refuses.
    """

    _plain: ClassVar[Any]
    _axis: ClassVar[int]  # of a weight, on which the number stands
    _counted: ClassVar[str]  # what it is called

    def __init_subclass__(cls, **options: object) -> None:
        super().__init_subclass__(**options)
        if len(cls.__bases__) == 1:
            return
        cls._plain = cls.__bases__[1]
        own, count, *others = inspect.signature(cls._plain.__init__).parameters.values()
        cls.__init__.__signature__ = inspect.Signature([own, *others])  # type: ignore[attr-defined]
        cls._counted = count.name

    def __init__(self, *args: object, **options: object):
        try:
            given = inspect.signature(type(self).__init__).bind(self, *args, **options).arguments
        except TypeError as error:
            raise TypeError(f"{type(self).__name__}.__init__() {error}") from None
        groups = given.get("groups", 1)
        with init.skip():  # its options are checked, with as few channels as may be
            self._plain.__init__(self, groups if type(groups) is int and groups > 0 else 1, *args, **options)
        setattr(self, self._counted, 0)
        self._arguments = args, options
        for name, parameter in list(self._own_parameters()):
            self.__dict__[name] = UninitializedParameter(True, parameter.device, parameter.dtype)
        for name, buffer in list(self._own_buffers()):
            if buffer.array.ndim:
                self.__dict__[name] = UninitializedBuffer(False, buffer.device, buffer.dtype)

    def reset_parameters(self) -> None:
        """Nothing yet: there are none."""

    def __call__(self, *args: object, **kwargs: object) -> Tensor:
        x = args[0] if args else next(iter(kwargs.values()), None)
        self._become(self._count(data_of(x).shape))
        return self(*args, **kwargs)

    def _count(self, shape: Shape) -> int:
        """How many features or channels an input of this shape has."""
        raise NotImplementedError

    def _become(self, count: int) -> None:
        """One of its class, with so many."""
        args, options = self._arguments
        made = self._plain(count, *args, **options)
        for name, parameter in made._own_parameters():
            self.__dict__[name].become(parameter.array)
        for name, buffer in made._own_buffers():
            if isinstance(self.__dict__[name], UninitializedBuffer):
                self.__dict__[name].become(buffer.array)
        del self._arguments
        setattr(self, self._counted, count)
        self.__class__ = self._plain

    def _before_loading(self, state: Mapping[str, Any]) -> None:
        held = next((state[name] for name in ("weight", "running_mean") if name in state), None)
        shape = tuple(getattr(held, "shape", ()))
        if len(shape) > self._axis:
            groups = getattr(self, "groups", 1) if self._axis else 1
            with init.skip():  # the values come from the state
                self._become(shape[self._axis] * groups)


class LazyLinear(Lazy, Linear):
    """Linear(in_features, ...) whose first input tells in_features.

    >>> layer = nn.LazyLinear(2)
    >>> layer
    LazyLinear(0->2)
    >>> layer(np.ones((5, 4), np.float32)).shape, layer
    ((5, 2), Linear(4->2))
    """

    _axis = 1

    def _count(self, shape: Shape) -> int:
        if not shape:
            raise ValueError("LazyLinear: x has no dimensions, expected (*, in_features); reshape it")
        return shape[-1]


class _Channels(Lazy):
    """Those whose input is (N, C, *), or (C, *)."""

    rank: int
    _axis = 1

    def _count(self, shape: Shape) -> int:
        if len(shape) not in (self.rank + 1, self.rank + 2):
            letters = LETTERS[self.rank]
            raise ValueError(
                f"{type(self).__name__}: x has {len(shape)} dimensions {shape}, expected ({letters}) or "
                f"({letters[3:]}); reshape it"
            )
        return shape[-self.rank - 1]


class LazyConv1d(_Channels, Conv1d):
    """Conv1d(in_channels, ...) whose first input tells in_channels.

    >>> layer = nn.LazyConv1d(4, 3)
    >>> layer(np.ones((2, 3, 8), np.float32)).shape, layer.in_channels
    ((2, 4, 6), 3)
    """


class LazyConv2d(_Channels, Conv2d):
    """Conv2d(in_channels, ...) whose first input tells in_channels.

    >>> layer = nn.LazyConv2d(4, 3)
    >>> layer(np.ones((2, 3, 8, 8), np.float32)).shape, layer.in_channels
    ((2, 4, 6, 6), 3)
    """


class LazyConv3d(_Channels, Conv3d):
    """Conv3d(in_channels, ...) whose first input tells in_channels.

    >>> layer = nn.LazyConv3d(4, 3)
    >>> layer(np.ones((2, 3, 8, 8, 8), np.float32)).shape, layer.in_channels
    ((2, 4, 6, 6, 6), 3)
    """


class LazyConvTranspose1d(_Channels, ConvTranspose1d):
    """ConvTranspose1d(in_channels, ...) whose first input tells in_channels.

    >>> layer = nn.LazyConvTranspose1d(4, 3)
    >>> layer(np.ones((2, 3, 8), np.float32)).shape, layer.in_channels
    ((2, 4, 10), 3)
    """

    _axis = 0


class LazyConvTranspose2d(_Channels, ConvTranspose2d):
    """ConvTranspose2d(in_channels, ...) whose first input tells in_channels.

    >>> layer = nn.LazyConvTranspose2d(4, 3)
    >>> layer(np.ones((2, 3, 8, 8), np.float32)).shape, layer.in_channels
    ((2, 4, 10, 10), 3)
    """

    _axis = 0


class LazyConvTranspose3d(_Channels, ConvTranspose3d):
    """ConvTranspose3d(in_channels, ...) whose first input tells in_channels.

    >>> layer = nn.LazyConvTranspose3d(4, 3)
    >>> layer(np.ones((2, 3, 8, 8, 8), np.float32)).shape, layer.in_channels
    ((2, 4, 10, 10, 10), 3)
    """

    _axis = 0


class _Features(Lazy):
    """Those whose input is (N, C, *), with a number for each channel."""

    ranks: tuple[int, ...]
    _axis = 0

    def _count(self, shape: Shape) -> int:
        if len(shape) not in self.ranks:
            expected = " or ".join(map(str, self.ranks))
            raise ValueError(
                f"{type(self).__name__}: x has {len(shape)} dimensions {shape}, expected {expected}; reshape it"
            )
        return shape[1]


class LazyBatchNorm1d(_Features, BatchNorm1d):
    """BatchNorm1d(num_features, ...) whose first input tells num_features.

    >>> layer = nn.LazyBatchNorm1d()
    >>> layer(np.ones((2, 3, 4), np.float32)).shape, layer
    ((2, 3, 4), BatchNorm1d(3))
    """


class LazyBatchNorm2d(_Features, BatchNorm2d):
    """BatchNorm2d(num_features, ...) whose first input tells num_features.

    >>> layer = nn.LazyBatchNorm2d()
    >>> layer(np.ones((2, 3, 4, 4), np.float32)).shape, layer
    ((2, 3, 4, 4), BatchNorm2d(3))
    """


class LazyBatchNorm3d(_Features, BatchNorm3d):
    """BatchNorm3d(num_features, ...) whose first input tells num_features.

    >>> layer = nn.LazyBatchNorm3d()
    >>> layer(np.ones((2, 3, 4, 4, 4), np.float32)).shape, layer
    ((2, 3, 4, 4, 4), BatchNorm3d(3))
    """


class LazyInstanceNorm1d(_Channels, InstanceNorm1d):
    """InstanceNorm1d(num_features, ...) whose first input tells num_features.

    >>> layer = nn.LazyInstanceNorm1d(affine=True)
    >>> layer(np.ones((2, 3, 4), np.float32)).shape, layer
    ((2, 3, 4), InstanceNorm1d(3, affine))
    """

    _axis = 0


class LazyInstanceNorm2d(_Channels, InstanceNorm2d):
    """InstanceNorm2d(num_features, ...) whose first input tells num_features.

    >>> layer = nn.LazyInstanceNorm2d(affine=True)
    >>> layer(np.ones((2, 3, 4, 4), np.float32)).shape, layer
    ((2, 3, 4, 4), InstanceNorm2d(3, affine))
    """

    _axis = 0


class LazyInstanceNorm3d(_Channels, InstanceNorm3d):
    """InstanceNorm3d(num_features, ...) whose first input tells num_features.

    >>> layer = nn.LazyInstanceNorm3d(affine=True)
    >>> layer(np.ones((2, 3, 4, 4, 4), np.float32)).shape, layer
    ((2, 3, 4, 4, 4), InstanceNorm3d(3, affine))
    """

    _axis = 0

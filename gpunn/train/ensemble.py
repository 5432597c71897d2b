"""Several predictions for one image, made one: ensembles of networks, and an image beside its mirror image."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from gpunn import backend, nn, ops
from gpunn.backend import Array
from gpunn.engine.operators import Operand
from gpunn.engine.tensor import data_of
from gpunn.errors import UsageError
from gpunn.train.predict import predict


class _Averaged(nn.Module):
    """A Module whose outputs are logarithms of averaged probabilities, without gradients: for prediction alone.

    `softmax` of them gives the averages, and `cross_entropy` takes them like any scores.
    """

    def shares(self, x: Array) -> list[Array]:
        """The probabilities to average, each (N, classes)."""
        raise TypeError(f"{type(self).__name__} defines no shares(x)")

    def forward(self, x: Operand) -> Operand:
        parts = self.shares(data_of(x))
        mean = parts[0]
        for part in parts[1:]:
            mean = mean + part
        xp = backend.array_module(mean)
        # A probability of 0 would be a loss of infinity; float32 loses all below 1e-38 anyway.
        return xp.log(xp.maximum(mean / len(parts), xp.finfo(mean.dtype).tiny))


class Ensemble(_Averaged):
    """Networks that decide together (Hansen and Salamon 1990): averaged probabilities, or by `votes`."""

    def __init__(self, members: Sequence[nn.Module]):
        super().__init__()
        if not members:
            raise UsageError("Ensemble: got no networks; give at least one")
        self.members = nn.ModuleList(list(members))

    def shares(self, x: Array) -> list[Array]:
        return [data_of(ops.softmax(member(x), 1)) for member in self.members]

    def votes(self, x, batch_size: int = 256) -> np.ndarray:
        """How many members choose each class, for the array x: see `count_votes`."""
        return count_votes([predict(member, x, batch_size) for member in self.members])


def count_votes(scores: Sequence[np.ndarray]) -> np.ndarray:
    """How many of the networks' scores (N, classes) choose each class: float64 (N, classes).

    To each count half the averaged probability is added, so that argmax breaks ties by it.
    """
    counts = np.sum([np.eye(part.shape[1])[part.argmax(1)] for part in scores], axis=0)
    shares = [data_of(ops.softmax(part.astype(np.float64), 1)) for part in scores]
    return counts + np.mean(shares, axis=0) / 2


class MirrorAveraged(_Averaged):
    """A network that sees each image and its left-right mirror image, and averages the probabilities."""

    def __init__(self, model: nn.Module):
        super().__init__()
        self.model = model

    def shares(self, x: Array) -> list[Array]:
        mirrored = x[..., ::-1].copy()  # kernels take no negative strides
        return [data_of(ops.softmax(self.model(images), 1)) for images in (x, mirrored)]

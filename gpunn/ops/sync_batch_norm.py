"""Batch normalisation over the batches of all ranks together, with a residual sum and ReLU fused in."""

from __future__ import annotations

from typing import Any

import numpy as np

from gpunn.asked import asked
from gpunn.backend import Array, array_module, is_array, twins
from gpunn.checks import arrays, check_shape, check_written, wants_grad
from gpunn.engine.autograd import Gradients, Needs, is_grad_enabled
from gpunn.engine.operators import A
from gpunn.engine.record import record
from gpunn.ops.batch_norm import batch_norm, batch_norm_relu, batches_of, channelwise, check_momentum
from gpunn.ops.out import with_out
from gpunn.ops.precision import like
from gpunn.ranks.given import check_place
from gpunn.ranks.group import Group, current
from gpunn.restored import restored
from gpunn.scalars import check_eps

OP = "sync_batch_norm"


@with_out
def sync_batch_norm(
    x: A,
    running_mean: Array | None,
    running_var: Array | None,
    weight: A | None = None,
    bias: A | None = None,
    training: bool = False,
    momentum: float | None = 0.1,
    eps: float = 1e-5,
    num_batches_tracked: Array | None = None,
    group: Group | None = None,
    *,
    residual: A | None = None,
    relu: bool = False,
    out: Array | None = None,
) -> A:
    """Batch norm where in training the batch is of all ranks, of each its own x: y = relu?(batch_norm(x) + residual?).

    All ranks call it, and run backward, in one order; their batches may be of any size, 0 too. Counts, means and sums
    of squares are combined in rank order by Chan, Golub and LeVeque's formula (1979), in float64, and the running
    statistics, which then move alike on all ranks, by the whole batch's. Backwards the sums over all ranks come in, of
    gradients that weigh as the ranks' losses do, equally unless something averages by samples; gradients of weight and
    bias are of this rank's x alone, for who averages gradients to add up. On one rank, and in evaluation, it is
    batch_norm, bit for bit.

    Args:
        group: the ranks; None: those of `gpunn.dist.init`, else this process alone. The others are batch_norm's.

    Raises batch_norm's errors; DistError where the ranks' connection does not take x's device.

    >>> x = np.array([[1.0, 10.0], [3.0, 30.0]])
    >>> ops.sync_batch_norm(x, None, None, training=True).round(3)
    array([[-1., -1.],
           [ 1.,  1.]])
    """
    group = current() if group is None else group
    running = running_mean, running_var, num_batches_tracked
    if training and group.size > 1:
        return _over_ranks(group, x, running, weight, bias, momentum, eps, residual, relu)
    args = (x, running_mean, running_var, weight, bias, training, momentum, eps)
    if relu:
        return batch_norm_relu(*args, residual=residual, num_batches_tracked=num_batches_tracked)
    y: Any = batch_norm(*args, num_batches_tracked=num_batches_tracked)
    return y if residual is None else y + residual


def _over_ranks(
    group: Group, x: A, running: tuple[Array | None, Array | None, Array | None], weight: A | None, bias: A | None,
    momentum: float | None, eps: float, residual: A | None, relu: bool,
) -> A:  # fmt: skip
    if residual is not None and asked():
        residual = like(x, residual)
    a, r = arrays(OP, x=x, residual=residual)
    if isinstance(a, np.ndarray):
        check_written(OP, running_mean=running[0], running_var=running[1], num_batches_tracked=running[2])
    gamma, beta, mean, var = channelwise(OP, a, weight, bias, *running[:2])
    batches = batches_of(OP, a, running[2])
    if not (momentum is None and batches is not None):
        check_momentum(OP, momentum, ", or num_batches_tracked to average all batches by")
    if r is not None:
        check_shape(OP, "residual", r, a.shape, "it has x's shape")
    check_eps(OP, eps)
    check_place(f"{OP}: x", group, a)
    twin, whole = twins(a).sync_batch_norm, _Whole(group, a, eps)
    y, centre, rstd, passed = twin.forward(a, gamma, beta, whole.statistics, r, relu)
    whole.move(mean, var, momentum, batches)
    if is_grad_enabled() and any(map(wants_grad, (x, weight, bias, residual))):
        group.meets = True

    def backward(gy: Array, needs: Needs) -> Gradients:
        gates = passed, needs[3], relu, beta
        if needs[0]:
            found = twin.backward(gy, a, gamma, centre, rstd, whole.slopes, *gates)
        else:  # on no rank does x: nobody asks for the others' sums
            found = twins(a).batch_norm.eval_backward(gy, a, gamma, centre, rstd, *gates)
        return tuple([g if need else None for g, need in zip(found, needs, strict=True)])

    return record(OP, y, (x, weight, bias, residual), backward, owned=True)


class _Whole:
    """The batch of all ranks together, of which this one has x: its statistics, and means over it, in float64."""

    def __init__(self, group: Group, x: Array, eps: float):
        self.group, self.x, self.eps, self.channels = group, x, eps, x.shape[1]
        self.weigher = group.weigher
        self.values = x.size // x.shape[1]  # of a channel, on this rank
        self.mean: Any = None
        self.var: Any = None
        self.total: Any = None  # of a channel, on all ranks, (1,): where x lies, for nobody to wait for

    def _new(self, *shape: int) -> Array:
        return array_module(self.x).zeros_like(self.x, np.float64, "C", shape=shape)

    @restored
    def statistics(self, mean: Array, var: Array) -> tuple[Array, Array]:
        """The whole batch's mean and rstd, of x's own mean and biased variance."""
        c, xp = self.channels, array_module(self.x)
        mine, all_ranks = self._new(1 + 2 * c), self._new(self.group.size, 1 + 2 * c)
        mine[:1], mine[1 : 1 + c], mine[1 + c :] = self.values, mean, var
        self.group.all_gather(all_ranks, mine).wait()
        counts, means, spreads = all_ranks[:, :1], all_ranks[:, 1 : 1 + c], all_ranks[:, 1 + c :]
        self.total = counts.sum(0)
        if isinstance(self.total, np.ndarray) and self.total[0] == 1:  # elsewhere nobody waits to know
            raise ValueError(
                f"{OP}: one of {self.group.size} ranks has one value per channel (x {self.x.shape} on this one), whose "
                "variance is 0; training needs more than one: use a larger batch, or evaluation mode"
            )
        with np.errstate(all="ignore"):
            shares = counts / xp.maximum(self.total, 1)
            self.mean = (shares * means).sum(0)
            self.var = (shares * (spreads + (means - self.mean) ** 2)).sum(0)
            return self.mean, (self.var + self.eps) ** -0.5

    @restored
    def move(self, mean: Array | None, var: Array | None, momentum: float | None, batches: Array | None) -> None:
        """Move running statistics towards the whole batch's, in place; one of no samples moves nothing."""
        xp = array_module(self.x)
        with np.errstate(all="ignore"):  # a variance that does not fit is infinite
            step = momentum if momentum is not None else 1 / (batches.astype(np.float64) + 1)  # type: ignore[union-attr]
            unbiased = self.var * (self.total / xp.maximum(self.total - 1, 1))
            for own, now, least in ((mean, self.mean, 1), (var, unbiased, 2)):
                if own is not None:
                    before = own.astype(np.float64)
                    own[...] = xp.where(self.total >= least, before * (1 - step) + now * step, before)
        if batches is not None:
            batches += (self.total[0] > 0).astype(batches.dtype)

    @restored
    def slopes(self, ggamma: Array, gbeta: Array) -> tuple[Array, Array]:
        """Their means over the whole batch, in units of this rank's gradients."""
        xp, weight = array_module(self.x), self.group.weight if self.weigher is None else self.weigher()
        sums = self._new(2, self.channels)
        sums[0], sums[1] = ggamma, gbeta
        with np.errstate(all="ignore"):
            sums[...] = _where(weight, sums * weight, xp)
            self.group.all_reduce(sums).wait()
            sums /= xp.maximum(self.total, 1)
            sums[...] = _where(weight, sums / weight, xp)
        return sums[0], sums[1]


def _where(weight: float | Array, scaled: Array, xp: Any) -> Array | int:
    """Zeros on a rank of whose batch nothing counts: its gradients may be NaN."""
    return xp.where(weight > 0, scaled, 0) if is_array(weight) else scaled if weight > 0 else 0

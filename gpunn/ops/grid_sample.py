"""Images at the places of a grid, and grids of affine maps (Jaderberg et al., Spatial Transformer Networks, 2015)."""

from __future__ import annotations

from collections.abc import Sequence

from gpunn.backend import Array, twins
from gpunn.checks import arrays, as_shape, check_choice
from gpunn.engine.autograd import Gradients, Needs
from gpunn.engine.operators import A, Operand
from gpunn.engine.record import record
from gpunn.grids import MODES, PADDINGS
from gpunn.ops.arithmetic import matmul
from gpunn.ops.out import with_out
from gpunn.ops.shape import reshape, transpose


@with_out
def grid_sample(
    x: A,
    grid: Operand,
    mode: str = "bilinear",
    padding_mode: str = "zeros",
    align_corners: bool | None = None,
    *,
    out: Array | None = None,
) -> A:
    """x (N, C, H, W) at the places of grid (N, P, Q, 2), or (N, C, D, H, W) at (N, O, P, Q, 3): (N, C, P, Q).

    A place is (x, y), or (x, y, z), from -1 to 1: left to right, top to bottom, front to back.

    Args:
        mode: "bilinear" (of volumes trilinear), "nearest", or "bicubic" of images.
        padding_mode: what lies outside: "zeros", the "border"'s elements, or the image's "reflection".
        align_corners: whether -1 and 1 are the centres of the corner pixels; False or None: their outer edges.

    Gradients flow to x and grid, in sums of a fixed order.

    Raises:
        ValueError: shapes that do not fit, another mode, an image of size 0. TypeError: dtypes that differ.

    >>> x = np.array([[[[1.0, 2.0], [3.0, 4.0]]]])
    >>> ops.grid_sample(x, np.array([[[[0.0, 0.0], [1.0, -1.0]]]]), align_corners=True)
    array([[[[2.5, 2. ]]]])
    """
    op = "grid_sample"
    a, places = arrays(op, x=x, grid=grid)
    check_choice(op, "mode", mode, MODES)
    check_choice(op, "padding_mode", padding_mode, PADDINGS)
    rank = a.ndim - 2
    if rank not in (2, 3) or places.ndim != a.ndim or places.shape[-1] != rank or places.shape[0] != a.shape[0]:
        raise ValueError(
            f"{op}: x is {a.shape} and grid {places.shape}, expected (N, C, H, W) and (N, P, Q, 2), or (N, C, D, H, W) "
            "and (N, O, P, Q, 3); reshape them"
        )
    if 0 in a.shape[2:]:
        raise ValueError(f"{op}: x {a.shape} has a zero size; only N, C and the grid's sizes may be 0")
    if mode == "bicubic" and rank == 3:
        raise ValueError(f"{op}: mode is 'bicubic' with x {a.shape}, expected (N, C, H, W); use 'bilinear' for volumes")
    twin, how = twins(a).grid_sample, (mode, padding_mode, bool(align_corners))

    def backward(gy: Array, needs: Needs) -> Gradients:
        return twin.backward(gy, a, places, *how, (needs[0], needs[1]))

    return record(op, twin.forward(a, places, *how), (x, grid), backward, owned=True)


@with_out
def affine_grid(theta: A, size: Sequence[int], align_corners: bool | None = None, *, out: Array | None = None) -> A:
    """The grid of affine maps theta (N, 2, 3) for images of size (N, C, H, W): (N, H, W, 2); of volumes (N, 3, 4).

    Each place of the result is theta times (x, y, 1), from -1 to 1; align_corners as in grid_sample.

    Raises:
        ValueError: a theta or size of another form.

    >>> ops.affine_grid(np.array([[[1.0, 0.0, 0.5], [0.0, 1.0, 0.0]]]), (1, 1, 1, 2))
    array([[[[0., 0.],
             [1., 0.]]]])
    """
    op = "affine_grid"
    (a,) = arrays(op, theta=theta)
    sizes = as_shape(op, "size", size)
    rank = len(sizes) - 2
    if rank not in (2, 3) or min(sizes) < 1:
        raise ValueError(f"{op}: size is {sizes}, expected (N, C, H, W) or (N, C, D, H, W) of at least 1 each")
    if a.shape != (sizes[0], rank, rank + 1):
        raise ValueError(
            f"{op}: theta is {a.shape}, expected {(sizes[0], rank, rank + 1)} for size {sizes}; reshape it"
        )
    base = twins(a).grid_sample.base(a, sizes[2:], bool(align_corners))
    return reshape(matmul(base, transpose(theta, 1, 2)), (sizes[0], *sizes[2:], rank))

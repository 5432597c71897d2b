"""What gpunn calls PyTorch's ops of shapes, parts and places, and their arguments."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from gpunn import Tensor, ops
from tests.torch_samples.rows import Row, Sample

Call = Callable[..., Any]


def of_several(op: Call) -> Call:
    """The sample's input is the first of several arrays, or all of them."""
    return lambda x, *others, **options: op(*(x if isinstance(x, list | tuple) else (x, *others)), **options)


def method(name: str, *names: str) -> Call:
    """What is a method in both: of a Tensor, or, where the sample is an array, of one over it."""

    def call(x: Any, *args: Any, **options: Any) -> Any:
        found = getattr(x if isinstance(x, Tensor) else Tensor(x), name)(*args, **options)
        return found if isinstance(x, Tensor) else found.numpy()

    return call


PLAIN = (
    "view narrow select movedim unflatten diagonal split chunk tensor_split unbind t expand hstack vstack dstack "
    "gather take take_along_dim index_select index_fill masked_fill masked_select nonzero argwhere scatter scatter_add "
    "index_add index_copy repeat repeat_interleave flip fliplr flipud rot90 roll tril triu diag diag_embed trace "
    "mm bmm mv dot outer addmm addmv baddbmm tensordot kron cdist"
)
SEVERAL = "meshgrid.variadic_tensors meshgrid.list_of_tensors broadcast_tensors atleast_1d atleast_2d atleast_3d"
METHODS = "view_as reshape_as expand_as contiguous ravel"

SHAPE_CALLS: dict[str, Call] = {
    **{name: getattr(ops, name) for name in PLAIN.split()},
    **{name: of_several(getattr(ops, name.split(".")[0])) for name in SEVERAL.split()},
    **{name: method(name) for name in METHODS.split()},
    "split.list_args": ops.split,
    "tile": lambda x, *dims: ops.tile(x, *dims),
    "einsum": lambda xs, equation: ops.einsum(equation, *xs),
    "unfold": ops.windows_along,
}
SHAPE_OTHERS = {
    "linalg.diagonal": "diagonal of the last two dimensions",
    "addmm.decomposed": "the same as addmm",
    "bmm.triton_optimized": "the same as bmm",
    "sparse.mm.reduce": "sparse matrices",
}


def repeats(sample: Sample) -> bool:
    """Whether an index names a place twice."""
    return sample.x.is_floating_point() and len(sample.given[2].unique()) < sample.given[2].numel()


SHAPE_REFUSED = [
    Row(
        ["index_copy"],
        repeats,
        "of several at one place the one that stays has the slope; PyTorch gives it to all",
        refused=False,
    ),
    Row(
        ["addmv", "baddbmm"],
        lambda s: not s.x.is_floating_point() and s.options.get("beta") == 0.2,
        "a factor that integers cannot hold, of which PyTorch drops the fraction",
    ),
    Row(
        ["view"],
        lambda s: s.layout == "channels last" and s.x.shape[1:] == (5, 1, 5) and not s.x.requires_grad,
        "a view of an array of channels-last memory; PyTorch's side has a row-major copy",
    ),
]

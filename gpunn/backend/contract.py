"""What a backend offers, as types: `gpunn.cpu` and `gpunn.cuda` each are `Twins`.

The names, shapes and rules stand here once; a type checker holds both packages to them, so that every jump from an op
to its twin lands. All arrays of a call are on one device and were checked by the op.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

import numpy as np

from gpunn.errors import Known
from gpunn.taps import Taps
from gpunn.window import Pooling, Window

if TYPE_CHECKING:
    from gpunn.random import Draw

# CuPy's array has NumPy's interface, and an emulated array is one: types know the one name.
Array: TypeAlias = np.ndarray
# Running mean and variance (C,) to be moved in place towards a batch's by a momentum, and the 0-d int64 count of the
# batches; any of the arrays may be None. Without a momentum, where the count is needed, to the mean over all batches.
Running: TypeAlias = tuple[Array | None, Array | None, float | None, Array | None]
Shape: TypeAlias = tuple[int, ...]
Backward: TypeAlias = Callable[[Array], Array]  # from a result's gradient to the input's
# Two numbers a channel of this rank's batch as those of all ranks', all (C,), of float64.
Join: TypeAlias = Callable[[Array, Array], tuple[Array, Array]]
Arrays: TypeAlias = Sequence[Array]
States: TypeAlias = Sequence[Array | None]
Numbers: TypeAlias = Sequence[tuple]  # of each parameter, in the order of struct Setting in kernels/optim
Settings: TypeAlias = Numbers | Callable[[], Numbers]  # inside a captured graph: what gives them at each replay


class Conv(Protocol):
    """Convolution of two or three dimensions: x (N, C, *spatial), w (K, C/groups, *size), y (N, K, *out)."""

    def in_memory_order(self, x: Array) -> Array:
        """x as the passes read it, so that several of them share one copy."""
        ...

    def forward(
        self,
        x: Array,
        w: Array,
        b: Array | None,
        win: Window,
        groups: int,
        activation: str | None = None,
        residual: Array | None = None,
    ) -> Array:
        """y = x correlated with w, plus b (K,), plus a residual like y; of that the activation, "relu" or "tanh"."""
        ...

    def grad_input(self, gy: Array, w: Array, x_shape: Shape, win: Window, groups: int) -> Array:
        """gx: each gy spread over its window, weighted by w."""
        ...

    def grad_weight(
        self, gy: Array, x: Array, w_shape: Shape, win: Window, groups: int, bias: bool = False
    ) -> tuple[Array, Any]:
        """gw: the sum over images and positions of gy times its window; with ``bias`` also gb, else None."""
        ...

    def grad_bias(self, gy: Array) -> Array:
        """gb (K,): gy summed over all but the channels, where the weight has no gradient."""
        ...


class ConvPool(Protocol):
    """A 2-d convolution in the letters of Conv, its activation ("relu", "tanh" or None), and its pooling."""

    def forward(
        self,
        x: Array,
        w: Array,
        b: Array | None,
        win: Window,
        groups: int,
        activation: str | None,
        pool: Pooling,
        wanted: bool,
    ) -> tuple[Array, tuple[Array, ...]]:
        """pool(activation(conv + b)), and what backward takes; ``wanted`` says whether there will be a backward."""
        ...

    def backward(
        self, gy: Array, kept: tuple[Array, ...], z_shape: Shape, activation: str | None, pool: Pooling
    ) -> Array:
        """The gradient at the convolution's own output, of z_shape, from what forward kept."""
        ...


class ConvNorm(Protocol):
    """A 2-d convolution in the letters of Conv, and the normalisation of its result z by the batch's statistics."""

    def train_forward(
        self,
        x: Array,
        w: Array,
        b: Array | None,
        win: Window,
        groups: int,
        gamma: Array | None,
        beta: Array | None,
        eps: float,
        residual: Array | None = None,
        relu: bool = False,
        running: Running | None = None,
    ) -> tuple[Array, Array, Array, Array, Array | None]:
        """y, z, mean, rstd and what backward is told: z = conv(x) and what BatchNorm.train_forward makes of it."""
        ...

    def grad_input(
        self,
        gy: Array,
        w: Array,
        x_shape: Shape,
        win: Window,
        groups: int,
        z: Array,
        mean: Array,
        rstd: Array,
        y: Array | None,
    ) -> tuple[Array, tuple[Array, Array] | None]:
        """Conv.grad_input of x that a normalisation of z made, y with ReLU; its ggamma and gbeta, or None."""
        ...

    def train_backward(
        self,
        gy: Array,
        z: Array,
        gamma: Array | None,
        mean: Array,
        rstd: Array,
        passed: Array | None = None,
        residual: bool = True,
        sums: tuple[Array, ...] | None = None,
        relu: bool = False,
        beta: Array | None = None,
    ) -> tuple[Array, Array, Array, Array | None]:
        """BatchNorm.train_backward, its ggamma and gbeta as grad_input found them, where it did."""
        ...


class Pool(Protocol):
    """Pooling in two dimensions: x (N, C, H, W), y (N, C, P, Q)."""

    def max_forward(self, x: Array, win: Window, ceil_mode: bool, wanted: bool = True) -> tuple[Array, Any]:
        """y, and the winner's position (a*R + r)*S + s in its window: a byte up to 256 positions, else two; or None."""
        ...

    def max_backward(self, gy: Array, index: Array, x_shape: Shape, win: Window) -> Array:
        """gx: each gy at its window's winner."""
        ...

    def max_backward_from(self, gy: Array, place: Array, x_shape: Shape, win: Window | None, known: Known) -> Array:
        """gx: each gy at its int32 or int64 place in the plane, -1 nowhere; raises PlaceError for others.

        Without a window any places, else those inside it. On a device wrong ones are dropped, and a later read raises.
        """
        ...

    def avg_forward(self, x: Array, win: Window, ceil_mode: bool, count_include_pad: bool) -> Array:
        """y: the mean of each window, over its elements or over those inside the input."""
        ...

    def avg_backward(self, gy: Array, x_shape: Shape, win: Window, ceil_mode: bool, count_include_pad: bool) -> Array:
        """gx: each gy shared out over its window."""
        ...

    def places(self, index: Array, x_shape: Shape, win: Window) -> Array:
        """int64 places (d*H + h)*W + w in the plane of such positions; -1 outside of it."""
        ...


class AdaptivePool(Protocol):
    """Pooling of x (N, C, *spatial) to y (N, C, *out_size) by windows that cover the input evenly."""

    def avg_forward(self, x: Array, out_size: Shape) -> Array:
        """y: the mean of each window."""
        ...

    def avg_backward(self, gy: Array, x_shape: Shape) -> Array:
        """gx: each gy shared out over its window."""
        ...

    def max_forward(self, x: Array, out_size: Shape, wanted: bool = True) -> tuple[Array, Any]:
        """y, and where ``wanted`` the winner's place (a*R + r)*S + s in its window, R and S those of the largest one.

        The place is of the smallest type that holds it: one byte up to 256 positions.
        """
        ...

    def max_backward(self, gy: Array, index: Array, x_shape: Shape) -> Array:
        """gx: each gy at its window's winner."""
        ...

    def max_backward_from(self, gy: Array, place: Array, x_shape: Shape, known: Known) -> Array:
        """gx: each gy at its int32 or int64 place in the plane, as Pool.max_backward_from has it."""
        ...

    def places(self, index: Array, x_shape: Shape) -> Array:
        """int64 places (d*H + h)*W + w in the plane of such winners."""
        ...


class NormPool(Protocol):
    """Pooling of x (N, C, *spatial) by the norm of each window, of order ``power``; no padding, no dilation."""

    def forward(self, x: Array, win: Window, ceil_mode: bool, power: float) -> Array:
        """y = (scale times the sum of x^power)^(1 / power), the scale A*R*S over the elements inside the input."""
        ...

    def backward(self, gy: Array, x: Array, y: Array, win: Window, ceil_mode: bool, power: float) -> Array:
        """gx: each gy times scale (x / y)^(power - 1); 0 where y is."""
        ...


class Filter(Protocol):
    """One kernel w, of one to three axes, correlated with x (..., *spatial); borders are the words of ops.filter2d."""

    def forward(self, x: Array, w: Array, border: str) -> Array:
        """y of x's shape: x correlated with w along its last axes."""
        ...

    def grad_input(self, gy: Array, w: Array, border: str) -> Array:
        """gx: each gy spread over the taps, and from the border back to where that was copied from."""
        ...

    def grad_kernel(self, gy: Array, x: Array, size: Shape, border: str) -> Array:
        """gw of this size: the sum over all places of gy times what each tap met there."""
        ...


class BatchNorm(Protocol):
    """Batch normalisation of x (N, C, *), with an addend and a ReLU fused in; parameters and statistics are (C,)."""

    def train_forward(
        self,
        x: Array,
        gamma: Array | None,
        beta: Array | None,
        eps: float,
        residual: Array | None = None,
        relu: bool = False,
        running: Running | None = None,
    ) -> tuple[Array, Array, Array, Array | None]:
        """y = relu?(gamma (x - mean) rstd + beta + residual?), mean, rstd = 1 / sqrt(var + eps) of the batch.

        And what train_backward is to be told of ReLU: y, its signs, or None, where there is none or x tells it.
        """
        ...

    def eval_forward(
        self,
        x: Array,
        gamma: Array | None,
        beta: Array | None,
        mean: Array,
        var: Array,
        eps: float,
        residual: Array | None = None,
        relu: bool = False,
    ) -> Array:
        """y with the running mean and var."""
        ...

    def fold(
        self, w: Array, b: Array | None, gamma: Array | None, beta: Array | None, mean: Array, var: Array, eps: float
    ) -> tuple[Array, Array]:
        """Weights (K, ...) and bias (K,) of the convolution that also normalises, with the running mean and var."""
        ...

    def train_backward(
        self,
        gy: Array,
        x: Array,
        gamma: Array | None,
        mean: Array,
        rstd: Array,
        passed: Array | None = None,
        residual: bool = True,
        relu: bool = False,
        beta: Array | None = None,
    ) -> tuple[Array, Array, Array, Array | None]:
        """gx, ggamma, gbeta and the masked gy, or None without ``residual``.

        passed: y, or what train_forward gave; without it a fused ReLU is looked for in x and beta.
        """
        ...

    def eval_backward(
        self,
        gy: Array,
        x: Array,
        gamma: Array | None,
        mean: Array,
        rstd: Array,
        passed: Array | None = None,
        residual: bool = True,
        relu: bool = False,
        beta: Array | None = None,
    ) -> tuple[Array, Array, Array, Array | None]:
        """The same four where mean and rstd were constants."""
        ...


class SyncBatchNorm(Protocol):
    """Batch normalisation of x (N, C, *) by the statistics of more than x, which other ranks hold; N may be 0."""

    def forward(
        self,
        x: Array,
        gamma: Array | None,
        beta: Array | None,
        join: Join,
        residual: Array | None = None,
        relu: bool = False,
    ) -> tuple[Array, Array, Array, Array | None]:
        """y = relu?(gamma (x - mean) rstd + beta + residual?), mean, rstd and what backward is told of ReLU.

        mean and rstd are join(mean, var), var the biased variance, of x's own, both 0 where it is empty.
        """
        ...

    def backward(
        self,
        gy: Array,
        x: Array,
        gamma: Array | None,
        mean: Array,
        rstd: Array,
        join: Join,
        passed: Array | None = None,
        residual: bool = True,
        relu: bool = False,
        beta: Array | None = None,
    ) -> tuple[Array, Array, Array, Array | None]:
        """BatchNorm.train_backward, with x's ggamma and gbeta; join gives the means over all that gx is to heed."""
        ...


class GroupNorm(Protocol):
    """Normalisation of each sample by its own statistics: of groups of channels, or of whole rows."""

    def group_forward(
        self, x: Array, groups: int, gamma: Array | None, beta: Array | None, eps: float
    ) -> tuple[Array, Array, Array]:
        """y of x (N, C, *), and mean and 1 / sqrt(variance + eps) (N, groups); gamma and beta are (C,)."""
        ...

    def group_backward(
        self, gy: Array, x: Array, groups: int, gamma: Array | None, mean: Array, rstd: Array, affine: bool = True
    ) -> tuple[Array, Array | None, Array | None]:
        """gx, ggamma, gbeta; the last two are None unless ``affine``."""
        ...

    def layer_forward(
        self, x: Array, gamma: Array | None, beta: Array | None, eps: float
    ) -> tuple[Array, Array, Array]:
        """y of x (rows, L), each row a group; mean and 1 / sqrt(variance + eps) (rows,); gamma and beta are (L,)."""
        ...

    def layer_backward(
        self, gy: Array, x: Array, gamma: Array | None, mean: Array, rstd: Array, affine: bool = True
    ) -> tuple[Array, Array | None, Array | None]:
        """gx, ggamma, gbeta; the last two are None unless ``affine``."""
        ...

    def rms_forward(self, x: Array, gamma: Array | None, eps: float) -> tuple[Array, Array]:
        """y of x (rows, L), each row over its root mean square; 1 / sqrt(mean square + eps) (rows,)."""
        ...

    def rms_backward(
        self, gy: Array, x: Array, gamma: Array | None, rstd: Array, affine: bool = True
    ) -> tuple[Array, Any]:
        """gx, ggamma; the last is None unless ``affine``."""
        ...


class Softmax(Protocol):
    """Softmax along an axis, or its logarithm."""

    def forward(self, x: Array, axis: int, log: bool) -> Array:
        """exp(x) / sum of exp(x), or its logarithm; the limit where scores are infinite."""
        ...

    def backward(self, gy: Array, y: Array, axis: int, log: bool) -> Array:
        """gx, from forward's result."""
        ...


class Attention(Protocol):
    """Scaled dot-product attention: q (..., L, E), k (..., S, E), v (..., S, Ev), y (..., L, Ev)."""

    def forward(
        self, q: Array, k: Array, v: Array, mask: Array | None, causal: bool, scale: float
    ) -> tuple[Array, Array]:
        """y = softmax(scale q k^T + mask) v, and what backward takes; a row that sees nothing gives 0.

        mask: broadcast to (..., L, S); bool, True where a key may be seen, or added. causal: row i sees keys 0 to i.
        """
        ...

    def backward(
        self,
        gy: Array,
        q: Array,
        k: Array,
        v: Array,
        mask: Array | None,
        causal: bool,
        scale: float,
        kept: Array,
    ) -> tuple[Array, Array, Array]:
        """Gradients gq, gk and gv, from what forward kept."""
        ...

    def weights(self, scores: Array, mask: Array | None, causal: bool, scale: float) -> Array:
        """softmax(scale scores + mask) of (..., L, S), 0 in a row that sees nothing; of float32 or float64."""
        ...

    def weights_backward(self, gy: Array, y: Array, scale: float) -> Array:
        """The gradient of the scores, from what `weights` gave."""
        ...


class LocalResponseNorm(Protocol):
    """Local response normalisation of x (N, C, *) over `size` neighbouring channels."""

    def forward(self, x: Array, size: int, alpha: float, beta: float, k: float) -> tuple[Array, Array]:
        """y = x / divisor^beta, divisor = k + alpha / size * sum of x^2 over the window; and what backward takes."""
        ...

    def backward(self, gy: Array, x: Array, kept: Array, size: int, alpha: float, beta: float, k: float) -> Array:
        """gx, from what forward kept."""
        ...


class Activation(Protocol):
    """Activations by name (relu, tanh, ...), with the numbers that they take as ``options``."""

    def forward(self, name: str, x: Array, options: tuple[float, ...], wanted: bool) -> tuple[Array, Array]:
        """y, and what backward takes; ``wanted`` says whether there will be a backward."""
        ...

    def backward(self, name: str, gy: Array, kept: Array, options: tuple[float, ...]) -> Array:
        """gx, from what forward kept."""
        ...

    def slopes(self, name: str, gy: Array, seen: Array, options: tuple[float, ...]) -> Array:
        """gx, from x where gpunn.pointwise.reads_x says so, else from y."""
        ...


class Dropout(Protocol):
    """Random zeros, from the numbers of `gpunn.random`."""

    def drop(self, x: Array, mask_shape: Shape, p: float, draw: Draw | Array) -> tuple[Array, Backward]:
        """x, each element 0 with probability p, else times 1 / (1 - p); and the function for its gradient.

        Inside a captured graph the draw is device memory: its three numbers, other ones at each replay.
        """
        ...


class Loss(Protocol):
    """Losses of class indices: x (C,), (N, C) or (N, C, d1, ...), labels x's shape without C, weight (C,)."""

    def cross_entropy(
        self, x: Array, labels: Array, weight: Array | None, ignore_index: int, reduction: str, smoothing: float
    ) -> tuple[Array, Backward, Array]:
        """The reduced loss of logits, the function from its gradient to x's, and the weights' sum.

        The last is of the labels that count: an array's last number.
        """
        ...

    def nll(
        self, x: Array, labels: Array, weight: Array | None, ignore_index: int, reduction: str, op: str = "nll_loss"
    ) -> tuple[Array, Backward, Array]:
        """The reduced loss of log-probabilities, the function from its gradient to x's, and the weights' sum.

        `op` is who speaks of a wrong label.
        """
        ...

    def hits(self, x: Array, labels: Array, k: int | None, ignore_index: int, op: str = "") -> tuple[Array, Array]:
        """Rows whose label is among the k largest scores, of equal ones the lower class first; and rows that count.

        Without a k: rows whose label is the argmax, which is the first NaN where there is one. 0-d arrays of integers.
        `op` is who speaks of a wrong label, where it is not accuracy.
        """
        ...


class Matmul(Protocol):
    """Matrix products."""

    def matmul(self, a: Array, b: Array) -> Array:
        """``numpy.matmul(a, b)``."""
        ...


class Linear(Protocol):
    """Linear layers: x (N, C), w (K, C), b (K,), y (N, K); an activation is None, "relu" or "tanh"."""

    def forward(self, x: Array, w: Array, b: Array | None, activation: str | None) -> Array:
        """y = activation(x times w transposed, plus b)."""
        ...

    def backward(
        self, gy: Array, x: Array | None, w: Array | None, y: Array | None, activation: str | None, bias: bool
    ) -> tuple[Array | None, Array | None, Array | None]:
        """gx where w is given, gw where x is, gb where ``bias``; ``y`` is forward's, where it had an activation."""
        ...


SKIP = "skip"


class Optim(Protocol):
    """Optimisers' rules for all parameters at once; lists have an entry a parameter, ``kept`` belongs to the twin.

    But for kept[SKIP], an array of one or None: where it is not 0 a step changes nothing.

    Inside a captured graph settings are a function, and a share is device memory: each replay has its own.
    """

    def sgd(self, params: Arrays, buffers: States, grads: Arrays, settings: Settings, kept: dict) -> None:
        """Step: b = momentum b + share d; p -= rate b."""
        ...

    def adam(
        self,
        params: Arrays,
        means: Arrays,
        squares: Arrays,
        peaks: States,
        grads: Arrays,
        settings: Settings,
        kept: dict,
    ) -> None:
        """Step: m = b1 m + c1 g; v = b2 v + c2 g^2; p -= rate m / (sqrt(v) / root + eps)."""
        ...

    def rmsprop(
        self,
        params: Arrays,
        squares: Arrays,
        means: States,
        buffers: States,
        grads: Arrays,
        settings: Settings,
        kept: dict,
    ) -> None:
        """Step: v = alpha v + c g^2; d = g / (sqrt(v - a^2) + eps); p -= rate d."""
        ...

    def adadelta(
        self, params: Arrays, squares: Arrays, moves: Arrays, grads: Arrays, settings: Settings, kept: dict
    ) -> None:
        """Step: v = rho v + c g^2; d = g sqrt(a + eps) / sqrt(v + eps); a = rho a + c d^2; p -= rate d."""
        ...

    def adamax(
        self, params: Arrays, means: Arrays, peaks: Arrays, grads: Arrays, settings: Settings, kept: dict
    ) -> None:
        """Step: m = b1 m + c1 g; u = max(b2 u, |g| + eps); p -= rate m / u."""
        ...

    def rprop(
        self, params: Arrays, previous: Arrays, steps: Arrays, grads: Arrays, settings: Settings, kept: dict
    ) -> None:
        """Step: s grows while the gradient's sign stays, shrinks where it turns; p -= sign(g) s."""
        ...

    def asgd(self, params: Arrays, means: Arrays, grads: Arrays, settings: Settings, kept: dict) -> None:
        """Step: p = keep p - rate g; a += share (p - a)."""
        ...

    def norm(self, arrays: Arrays, order: float) -> Array:
        """The norm, of order > 0, of all arrays taken as one vector: a 0-d array."""
        ...

    def scale(self, arrays: Arrays, total: Array, limit: float) -> None:
        """Multiply by min(1, limit / (total + 1e-6)), in place; the 0-d array `total` is not read by the host."""
        ...

    def clamp(self, arrays: Arrays, limit: float) -> None:
        """Limit every element to [-limit, limit], in place; NaN stays NaN."""
        ...

    def average(self, means: Arrays, values: Arrays, share: float | Array, kept: dict) -> None:
        """Move every mean towards its value: m += share (x - m), in place."""
        ...

    def accumulate(self, sums: Arrays, grads: Arrays, weight: float | Array, fresh: Sequence[bool], kept: dict) -> None:
        """Add weight times the gradients to the sums, in place; a fresh sum counts as 0, whatever it holds.

        The weight may be an array of one on the device, which the host does not read; as `divide`'s divisor.
        """
        ...

    def divide(self, arrays: Arrays, divisor: float | Array) -> None:
        """Divide every element, in place; by a divisor of 0 on the device nothing."""
        ...

    def unscale(self, grads: Arrays, state: Array) -> None:
        """Divide the gradients by state[0], in place; state[3] becomes 1 where one is not finite."""
        ...

    def rescale(self, state: Array, growth: float, backoff: float, every: int) -> None:
        """Make the state that of the next step: its scale times backoff after a bad one, times growth after many good.

        The state is float32: scale, good steps in a row, steps skipped in all, whether this one is bad.
        """
        ...


class Elementwise(Protocol):
    """Functions of arrays, element by element, in the memory order of the first array of the result's shape."""

    def apply(self, name: str, *operands: Any) -> Array:
        """NumPy's function of this name, or one of gpunn.pointwise, of arrays and numbers that fit together."""
        ...

    def add_into(self, total: Array, x: Array) -> None:
        """Add x to a total of its shape, in place; nobody else holds that."""
        ...

    def place(self, x: Array, shape: Shape, first: Shape, step: Shape, value: float = 0) -> Array:
        """An array of this shape and x's memory order: x from `first` on in these steps along each axis, else value."""
        ...

    def in_memory(self, x: Array, order: Shape) -> Array:
        """x with its axes in this order, in memory row by row: a view where it is so, else a copy."""
        ...


class Indexing(Protocol):
    """Rows of a table by number, and the gradient of x[index]."""

    def rows(self, table: Array, index: Array, op: str) -> Array:
        """y (*, ...) of table (V, ...) and index (*): RowError at once, or on a device noted, for what is no row."""
        ...

    def check(self, index: Array, count: int, erring: Any, *known: Any) -> None:
        """erring(number, at, *known), at once or on a device noted, for the first number outside of 0 .. count-1."""
        ...

    def add(self, gy: Array, index: Any, shape: Shape) -> Array:
        """gx of this shape: each element of gy added at the place from which it was read, in gy's order."""
        ...


class Recurrent(Protocol):
    """A recurrent layer in one direction: x (L, N, I), states (N, H), w_ih (G*H, I), w_hh (G*H, H), biases (G*H,).

    mode: "RNN_TANH", "RNN_RELU", "LSTM" or "GRU", of G = 1, 1, 4, 3 gates. lengths (N,) int32 or None; reverse: from
    the last step to the first. Cells are float32 where the rest is of 16 bits. With w_hr (P, H), of an LSTM alone,
    states and y have P features, and w_hh is (G*H, P).
    """

    def forward(
        self,
        mode: str,
        x: Array,
        h0: Array | None,
        c0: Array | None,
        w_ih: Array,
        w_hh: Array,
        b_ih: Array | None,
        b_hh: Array | None,
        w_hr: Array | None,
        lengths: Array | None,
        reverse: bool,
        wanted: bool,
    ) -> tuple[Array, Array, Array | None, Array, Array | None, Array | None]:
        """y (L, N, H), h_n, an LSTM's c_n, and three that backward takes, where ``wanted``.

        These are the states (L + 1, N, H), the gates' activations, and cells or a GRU's products of the state. y may be
        a view of the states.
        """
        ...

    def backward(
        self,
        mode: str,
        x: Array,
        gy: Array | None,
        gh_n: Array | None,
        gc_n: Array | None,
        states: Array,
        gates: Array | None,
        extra: Array | None,
        w_ih: Array,
        w_hh: Array,
        w_hr: Array | None,
        lengths: Array | None,
        reverse: bool,
        needs: tuple[bool, ...],
    ) -> tuple[Array | None, ...]:
        """gx, gh0, gc0, gw_ih, gw_hh, gb_ih, gb_hh, gw_hr; needs: of x, the first state, and each of the weights."""
        ...


class Reduce(Protocol):
    """Reductions of floats, in the memory order of what they reduce."""

    def reduced(self, name: str, x: Array, axes: Shape, factor: Array | None = None) -> Array:
        """The reduction of this name of floats, of x or of x times a factor, over axes that stay as 1.

        "sum", "mean", "max", "min"; of x alone also "prod", "norm1" (sum of |x|), "norm2" and "amax" (largest |x|).
        """
        ...

    def extreme(self, name: str, x: Array, axes: Shape) -> tuple[Array, Array]:
        """The "max" or "min" of floats over axes that stay as 1, and its int64 place among them in logical order.

        Of equal ones the first wins, and the first NaN over all.
        """
        ...


class Resample(Protocol):
    """Images in another size."""

    def resample(self, x: Array, taps: tuple[Taps, ...]) -> Array:
        """Array with each of x's last axes resampled by its taps; of any dtype where these have no weights."""
        ...


class GridSample(Protocol):
    """Images x (N, C, *sizes) at the places of a grid (N, *places, axes), whose last axis has x's last axis first."""

    def forward(self, x: Array, grid: Array, mode: str, padding: str, align_corners: bool) -> Array:
        """Samples y (N, C, *places); modes and paddings are those of gpunn.grids."""
        ...

    def backward(
        self, gy: Array, x: Array, grid: Array, mode: str, padding: str, align_corners: bool, needs: tuple[bool, bool]
    ) -> tuple[Array | None, Array | None]:
        """Gradients gx and ggrid, each where it is needed."""
        ...


class Twins(Protocol):
    """A backend: one module a family."""

    @property
    def activation(self) -> Activation: ...
    @property
    def adaptive_pool(self) -> AdaptivePool: ...
    @property
    def attention(self) -> Attention: ...
    @property
    def batch_norm(self) -> BatchNorm: ...
    @property
    def conv(self) -> Conv: ...
    @property
    def conv_norm(self) -> ConvNorm: ...
    @property
    def conv_pool(self) -> ConvPool: ...
    @property
    def dropout(self) -> Dropout: ...
    @property
    def elementwise(self) -> Elementwise: ...
    @property
    def filter(self) -> Filter: ...
    @property
    def grid_sample(self) -> GridSample: ...
    @property
    def group_norm(self) -> GroupNorm: ...
    @property
    def indexing(self) -> Indexing: ...
    @property
    def linear(self) -> Linear: ...
    @property
    def local_response_norm(self) -> LocalResponseNorm: ...
    @property
    def loss(self) -> Loss: ...
    @property
    def matmul(self) -> Matmul: ...
    @property
    def norm_pool(self) -> NormPool: ...
    @property
    def optim(self) -> Optim: ...
    @property
    def pool(self) -> Pool: ...
    @property
    def recurrent(self) -> Recurrent: ...
    @property
    def reduce(self) -> Reduce: ...
    @property
    def resample(self) -> Resample: ...
    @property
    def softmax(self) -> Softmax: ...
    @property
    def sync_batch_norm(self) -> SyncBatchNorm: ...

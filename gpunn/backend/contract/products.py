"""Products, and what scores go through."""

from __future__ import annotations

from typing import Protocol

from gpunn.backend.contract.terms import Array, Backward


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


class CtcLoss(Protocol):
    """Connectionist temporal classification of log-probabilities x (T, N, C)."""

    def forward(
        self,
        x: Array,
        targets: Array,
        steps: Array,
        lengths: Array,
        blank: int,
        reduction: str,
        zero_infinity: bool,
    ) -> tuple[Array, Backward]:
        """The reduced loss, and the function from its gradient to that of the scores before log_softmax.

        targets: classes (N, S), or (M,) one after another. steps and lengths (N,): of the host, or of x's device.
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

"""Recurrent layers."""

from __future__ import annotations

from typing import Protocol

from gpunn.backend.contract.terms import Array


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

"""L-BFGS: steps by an estimate of the curvature, from the last gradients of all parameters as one vector."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, ClassVar

from gpunn import backend, kinds, limits
from gpunn.backend import Array, capture
from gpunn.engine import written
from gpunn.engine.grad_mode import enable_grad
from gpunn.engine.tensor import Tensor
from gpunn.optim.given import check_gradient
from gpunn.optim.line_search import Point, strong_wolfe
from gpunn.optim.optimizer import Optimizer
from gpunn.optim.options import OF_OPTIMISERS, Option
from gpunn.optim.saved import as_array, as_number, like
from gpunn.ranks.averaged import mean_loss
from gpunn.text import brief

COUNT = kinds.whole(1, limits.STEPS)
VECTORS, LISTS, NUMBERS = ("d", "prev_flat_grad"), ("old_dirs", "old_stps"), ("t", "H_diag", "prev_loss")


class LBFGS(Optimizer):
    """Limited-memory BFGS (Nocedal 1980; Liu and Nocedal 1989): `step(closure)`, which calls the closure many times.

    The closure drops the gradients, computes the loss and its gradients, and returns the loss. A step makes up to
    `max_iter` iterations with at most `max_eval` losses (1.25 times as many by default), and ends where no gradient is
    over `tolerance_grad`, or neither a parameter nor the loss moves by `tolerance_change`. `lr` is the length of an
    iteration, or with line_search_fn="strong_wolfe" where the search for one begins. The loss is read by the host at
    each iteration, so that no captured step can hold one; among the ranks of a `dist.DataParallel` all go by their mean
    loss. One group of parameters, of one dtype on one device; the loss returned is the first of this process. Memory:
    2 * `history_size` arrays a parameter.

    Examples:
        >>> x = nn.Parameter(np.array([-1.5, 2.0]))
        >>> optimizer = gpunn.optim.LBFGS([x], line_search_fn="strong_wolfe")
        >>> def rosenbrock():
        ...     optimizer.zero_grad()
        ...     loss = (1 - x[0]) ** 2 + 100 * (x[1] - x[0] ** 2) ** 2
        ...     loss.backward()
        ...     return loss
        >>> for _ in range(3):
        ...     loss = optimizer.step(rosenbrock)
        >>> np.allclose(x.numpy(), 1, atol=1e-6)
        True
    """

    options: ClassVar = {
        **OF_OPTIMISERS, "max_iter": Option(COUNT, 20), "max_eval": Option(COUNT, 25),
        "tolerance_grad": Option(kinds.number(), 1e-7), "tolerance_change": Option(kinds.number(), 1e-9),
        "history_size": Option(COUNT, 100),
        "line_search_fn": Option(kinds.maybe(kinds.choice("strong_wolfe")), "strong_wolfe"),
    }  # fmt: skip

    def __init__(
        self,
        params: Iterable,
        lr: float = 1,
        max_iter: int = 20,
        max_eval: int | None = None,
        tolerance_grad: float = 1e-7,
        tolerance_change: float = 1e-9,
        history_size: int = 100,
        line_search_fn: str | None = None,
    ):
        if max_eval is None and isinstance(max_iter, int):
            max_eval = max(1, max_iter * 5 // 4)
        options = {"lr": lr, "max_iter": max_iter, "max_eval": max_eval, "tolerance_grad": tolerance_grad}
        options |= {"tolerance_change": tolerance_change, "history_size": history_size}
        super().__init__(params, {**options, "line_search_fn": line_search_fn})

    def add_param_group(self, group: Mapping[str, Any]) -> None:
        if self.param_groups:
            raise ValueError("LBFGS: got a second group of parameters, expected one; pass all parameters in one list")
        super().add_param_group(group)

    def _stepped(self, closure: Callable[[], Any] | None) -> Any:
        capture.refuse("LBFGS: its host reads the loss at each iteration, which replays would not; step it eagerly")
        if closure is None:
            raise TypeError(
                "LBFGS: step has no closure, expected a function that computes the loss and its gradients anew; "
                "pass step(closure)"
            )
        self._check_groups()
        with enable_grad():
            first = closure()
        self._iterate(closure, mean_loss(self.parameters(), float(first)))
        return first

    def _iterate(self, closure: Callable[[], Any], loss: float) -> None:
        group, state = self.param_groups[0], self.state[next(self.parameters())]
        state["func_evals"], state["n_iter"] = state.get("func_evals", 0) + 1, state.get("n_iter", 0)
        gradient, evaluations = self._gradient(), 1
        if not gradient.size or _largest(gradient) <= group["tolerance_grad"]:
            return
        if "d" in state and not (state["d"].dtype == gradient.dtype and backend.same_device(state["d"], gradient)):
            state.update({name: like(value, gradient) for name, value in state.items()})
        for iteration in range(1, group["max_iter"] + 1):
            state["n_iter"] += 1
            self._turn(state, gradient, group["history_size"])
            state["prev_flat_grad"], state["prev_loss"], before = gradient, loss, loss
            shortest = min(1.0, 1 / float(abs(gradient).sum())) if state["n_iter"] == 1 else 1.0
            state["t"] = t = shortest * group["lr"]
            slope = float(gradient.dot(state["d"]))
            if slope > -group["tolerance_change"]:
                return
            last = iteration == group["max_iter"]
            point, count = self._move(closure, Point(0.0, loss, gradient, slope), t, evaluations, last)
            state["t"], loss, gradient = point.t, point.loss, point.gradient
            evaluations, state["func_evals"] = evaluations + count, state["func_evals"] + count
            if last or evaluations >= group["max_eval"] or _largest(gradient) <= group["tolerance_grad"]:
                return
            small = group["tolerance_change"]
            if _largest(state["d"]) * abs(point.t) <= small or abs(loss - before) < small:
                return

    def _turn(self, state: dict[str, Any], gradient: Array, most: int) -> None:
        """The direction to go: minus the gradient times the estimate of the inverse Hessian (two loops)."""
        if state["n_iter"] == 1:
            state.update(d=-gradient, old_dirs=[], old_stps=[], ro=[], H_diag=1.0)
            return
        y, s = gradient - state["prev_flat_grad"], state["d"] * state["t"]
        curvature = float(y.dot(s))
        if curvature > 1e-10:
            for name, value in (("old_dirs", y), ("old_stps", s), ("ro", 1 / curvature)):
                state[name] = [*state[name], value][-most:]
            state["H_diag"] = curvature / float(y.dot(y))
        q, shares = -gradient, []
        pairs = list(zip(state["old_dirs"], state["old_stps"], state["ro"], strict=True))
        for y, s, ro in reversed(pairs):
            shares.append(float(s.dot(q)) * ro)
            q -= shares[-1] * y
        q *= state["H_diag"]
        for (y, s, ro), share in zip(pairs, reversed(shares), strict=True):
            q += (share - float(y.dot(q)) * ro) * s
        state["d"] = q

    def _move(self, closure: Callable[[], Any], start: Point, t: float, spent: int, last: bool) -> tuple[Point, int]:
        """Go along the direction, by t or as the line search finds; the point, and how often the loss was asked."""
        group = self.param_groups[0]
        d = self.state[next(self.parameters())]["d"]
        if group["line_search_fn"] is None:
            self._add(t, d)
            if last:
                return Point(t, start.loss, start.gradient, 0.0), 0
            return self._evaluated(closure, t, d), 1
        arrays = [p.array for p in self.parameters()]
        kept = [array.copy() for array in arrays]

        def at(t: float) -> Point:
            self._add(t, d)
            point = self._evaluated(closure, t, d)
            for array, value in zip(arrays, kept, strict=True):
                array[...] = value
            return point

        most = max(0, group["max_eval"] - spent)
        point, count = strong_wolfe(at, start, t, _largest(d), most, group["tolerance_change"])
        self._add(point.t, d)
        return point, count

    def _evaluated(self, closure: Callable[[], Any], t: float, d: Array) -> Point:
        with enable_grad():
            loss = mean_loss(self.parameters(), float(closure()))
        gradient = self._gradient()
        return Point(t, loss, gradient, float(gradient.dot(d)))

    def _gradient(self) -> Array:
        """The gradients of all parameters as one vector; zeros where there is none."""
        found: list[Array] = []
        for p in self.parameters():
            check_gradient(self.name, p)
            array = p.array
            g = backend.array_module(array).zeros_like(array) if p.gradient is None else p.gradient
            found.append(g.reshape(-1))
        first = found[0]
        for one in found:
            if one.dtype != first.dtype or not backend.same_device(one, first):
                where = [f"{a.dtype} on {backend.device_of(a)}" for a in (first, one)]
                raise ValueError(
                    f"LBFGS: parameters are {' and '.join(where)}, expected one dtype and device; move them"
                )
        return backend.array_module(first).concatenate(found)

    def _add(self, t: float, d: Array) -> None:
        """Move the parameters by t along d."""
        start = 0
        for p in self.parameters():
            array = p.array
            array += t * d[start : start + array.size].reshape(array.shape)
            start += array.size
        written.note(written.blocks([p.array for p in self.parameters()]))

    def read_values(self, number: int, p: Tensor, values: Mapping[str, Any]) -> dict[str, Any]:
        count, found = sum(one.size for one in self.parameters()), {}
        wanted: dict[str, Callable[[Any], bool]] = dict.fromkeys(VECTORS, lambda v: _is_vector(v, count))
        wanted |= dict.fromkeys(LISTS, lambda v: isinstance(v, list) and all(_is_vector(one, count) for one in v))
        wanted |= dict.fromkeys(NUMBERS, kinds.number().holds) | dict.fromkeys(("func_evals", "n_iter"), COUNT.holds)
        wanted["ro"] = lambda v: isinstance(v, list) and all(map(kinds.number().holds, v))
        for key in values.keys() - {"al"}:
            value, convert = values[key], as_array if key in (*VECTORS, *LISTS) else as_number
            found[key] = value = [*map(convert, value)] if isinstance(value, list) else convert(value)
            if key not in wanted or number or not wanted[key](value):
                raise ValueError(
                    f"LBFGS: the saved {brief(key)} of parameter {number} is {brief(value)}, expected numbers and "
                    f"vectors of {count} elements of parameter 0; pass what state_dict() returned"
                )
        if len({len(found.get(name, [])) for name in (*LISTS, "ro")}) > 1 or ("d" in found) != (len(found) == 10):
            raise ValueError("LBFGS: the saved state lacks a part of its history; pass what state_dict() returned")
        return found


def _largest(a: Array) -> float:
    return float(abs(a).max())


def _is_vector(value: object, count: int) -> bool:
    return backend.is_array(value) and value.dtype.kind in "fV" and value.shape == (count,)

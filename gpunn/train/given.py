"""What a Trainer and a CapturedStep are given: refused in words before anything is computed."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from numbers import Integral, Real

from gpunn.backend import is_array
from gpunn.data.dataset import ArrayDataset, TensorDataset
from gpunn.data.subset import Subset
from gpunn.engine.grad_mode import is_grad_enabled
from gpunn.engine.tensor import Tensor
from gpunn.errors import UsageError, kind_of
from gpunn.optim.schedules import Schedule
from gpunn.text import brief
from gpunn.train.callbacks import Callback

FUNCTION = "a function of (output, target)"


def refusal(who: str, what: str, value: object, expected: str, remedy: str) -> UsageError:
    """The error for a value of another kind."""
    got = f"the class {value.__name__}" if isinstance(value, type) else "None" if value is None else kind_of(value)
    return UsageError(f"{who}: {what} is {got}, expected {expected}; {remedy}")


def as_count(who: str, what: str, value: object, remedy: str = "") -> int:
    """A whole number of at least 1."""
    if not isinstance(value, Integral) or value < 1:
        raise UsageError(f"{who}: {what} must be a whole number of at least 1, got {brief(value)}{remedy}")
    return int(value)


def as_limit(who: str, grad_clip: float | None) -> float | None:
    """A limit of the gradients' norm, or none."""
    if grad_clip is not None and not (isinstance(grad_clip, Real) and grad_clip > 0):
        raise UsageError(f"{who}: grad_clip must be > 0, got {brief(grad_clip)}; leave it out for no clipping")
    return grad_clip


def check_model(who: str, model: object) -> None:
    """What is called, and has parameters."""
    if isinstance(model, type) or not callable(model) or not hasattr(model, "parameters"):
        raise refusal(who, "model", model, "a Module", "pass a network that was made")


def check_parts(who: str, model: object, optimizer: object, loss_fn: object, ema: object) -> None:
    """The model, what updates and what averages it, and the loss; a program's own classes may stand for gpunn's."""
    check_model(who, model)
    if optimizer is not None and (isinstance(optimizer, type) or not hasattr(optimizer, "step")):
        expected, remedy = "an optimizer", "pass gpunn.optim.SGD(model.parameters(), lr=0.1) or another"
        raise refusal(who, "optimizer", optimizer, expected, remedy)
    if not callable(loss_fn):
        raise refusal(who, "the loss", loss_fn, FUNCTION, "pass gpunn.ops.cross_entropy or another")
    if ema is not None and not hasattr(ema, "update"):
        raise refusal(who, "ema", ema, "an EMA", "pass gpunn.train.EMA(0.999)")


def as_metrics(who: str, metrics: object) -> dict[str, Callable]:
    """Functions by name."""
    if not isinstance(metrics, Mapping):
        expected, remedy = "a dict of functions by name", 'pass {"accuracy": gpunn.train.accuracy}'
        raise refusal(who, "metrics", metrics, expected, remedy)
    for name, metric in metrics.items():
        if not callable(metric):
            raise refusal(who, f"metrics[{name!r}]", metric, FUNCTION, "pass gpunn.train.accuracy or another")
    return dict(metrics)


def as_callbacks(who: str, callbacks: object) -> list[Callback]:
    """Callbacks in a list."""
    if not isinstance(callbacks, Iterable):
        remedy = "pass ema=" if hasattr(callbacks, "decay") else "pass [callback]"
        raise refusal(who, "callbacks", callbacks, "a list of Callbacks", remedy)
    found = list(callbacks)
    for number, one in enumerate(found):
        if not isinstance(one, Callback):
            remedy = "make it first" if isinstance(one, type) else "derive its class from gpunn.train.Callback"
            raise refusal(who, f"callbacks[{number}]", one, "a Callback", remedy)
    return found


def check_schedule(who: str, schedule: object) -> None:
    """A schedule, or none."""
    if schedule is not None and not isinstance(schedule, Schedule):
        remedy = "pass gpunn.optim.StepLR(optimizer, 30) or another"
        raise refusal(who, "schedule", schedule, "a schedule of gpunn.optim", remedy)


def check_loader(who: str, what: str, loader: object) -> None:
    """What gives batches (x, y)."""
    if isinstance(loader, (ArrayDataset, TensorDataset, Subset)):
        remedy = "pass gpunn.data.DataLoader(dataset, batch_size=64)"
        raise refusal(who, what, loader, "batches (x, y) and not single samples", remedy)
    if not hasattr(loader, "__iter__") and not hasattr(loader, "__getitem__"):
        raise refusal(who, what, loader, "what gives batches (x, y)", "pass a gpunn.data.DataLoader, or a list of them")


def check_loss(who: str, loss: object) -> None:
    """One number: a Tensor where something learns from it."""
    array = loss.array if isinstance(loss, Tensor) else loss
    if is_array(array) and array.size != 1:
        raise UsageError(f"{who}: the loss has shape {tuple(array.shape)}, expected one number; take its mean")
    if not isinstance(loss, Tensor) and (is_grad_enabled() or not (isinstance(loss, Real) or is_array(array))):
        raise refusal(who, "the loss", loss, "a Tensor", "return what ops compute of the output, and not its .item()")

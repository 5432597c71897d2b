"""The networks that are timed, and one training step of each on either side: the same weights and the same batch."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

import gpunn
from bench.clocks import Call
from bench.measure import Unsupported
from gpunn import backend, models, nn, ops, optim
from gpunn.train import CapturedStep

CLASSES = 10
CAPTURED_AT = 3  # of a CapturedStep's calls: the first two are eager
SGD: dict[str, Any] = {"lr": 0.01, "momentum": 0.9}


@dataclass(frozen=True)
class Network:
    """A row of the table: a model of gpunn.models, and the batch (N, C, H, W) it is timed with."""

    name: str
    batch: tuple[int, ...]

    def data(self, seed: int) -> tuple[np.ndarray, np.ndarray]:
        """Images and labels: noise, since time depends on the shape alone."""
        rng = np.random.default_rng(seed)
        return rng.standard_normal(self.batch).astype(np.float32), rng.integers(0, CLASSES, self.batch[0])


BATCHES = {"lenet5": 64, "lenet_20_50_500": 64, "alexnet_lite": 64, "resnet20": 32, "resnet18": 16}
NETWORKS = {name: Network(name, (batch, *models.input_shape(name))) for name, batch in BATCHES.items()}


def losses_of(step: Call, count: int) -> list[float]:
    """The losses of `count` steps; waits for the device."""
    return [float(step()) for _ in range(count)]


def differ(got: list[float], want: list[float], within: float = 1e-3) -> str:
    """What differs between two sides' losses by more than `within`, or ""."""
    for i, (a, b) in enumerate(zip(got, want, strict=True)):
        if not math.isfinite(a) or abs(a - b) > within * max(1.0, abs(b)):
            return f"loss {i} is {a:.6g}, expected {b:.6g}"
    return ""


def our_model(network: Network, seed: int) -> nn.Module:
    """The model with seeded weights, in training mode, without dropout: the two sides draw different numbers."""
    gpunn.manual_seed(seed)
    return _without_dropout(models.create(network.name, num_classes=CLASSES))


def our_step(network: Network, model: nn.Module, seed: int, device: str = "cpu", dtype: Any = np.float32,
             capture: bool = False, precision: str = "fp32") -> Call:  # fmt: skip
    """One step (forward, loss, backward, SGD with momentum) on a device; gives its loss without waiting for it.

    `capture`: as CapturedStep takes it. `precision`: as gpunn.precision does. Raises Unsupported with the
    reason where it cannot be a graph.
    """
    images, labels = network.data(seed)
    x = gpunn.Tensor(backend.to_device(images.astype(dtype, copy=False), device))
    target = backend.to_device(labels, device)
    optimizer = optim.SGD(list(model.parameters()), **SGD)
    if capture:
        return _graph(CapturedStep(model, ops.cross_entropy, optimizer, precision=precision), x, target)
    if precision == "fp16":  # which scales the loss
        scaled = CapturedStep(model, ops.cross_entropy, optimizer, precision=precision, capture=False)
        return lambda: scaled(x, target)
    step = _step(optimizer, lambda: ops.cross_entropy(model(x), target))

    def asked() -> Any:
        with gpunn.precision(precision):
            return step()

    return asked


def _graph(step: CapturedStep, x: gpunn.Tensor, target: Any) -> Call:
    """The step's call, which says once it should be a graph why it is none."""
    calls = 0

    def call() -> Any:
        nonlocal calls
        calls += 1
        with warnings.catch_warnings(record=True) as said:
            warnings.simplefilter("always")
            loss = step(x, target)
        if calls == CAPTURED_AT and not step.captured:
            raise Unsupported(str(said[-1].message) if said else "CapturedStep runs it eagerly")
        return loss

    return call


def torch_twin(name: str, weights: dict[str, np.ndarray] | None = None) -> Any:
    """The model of that name in PyTorch, with our weights where they are given. Raises KeyError where there is none."""
    import torch

    from bench.training.torch_models import MODELS

    model = MODELS[name]()
    if weights is not None:
        arrays = (torch.from_numpy(np.array(value)) for value in weights.values())
        model.load_state_dict(dict(zip(model.state_dict(), arrays, strict=True)))
    return model


def torch_model(network: Network, weights: dict[str, np.ndarray] | None = None) -> Any:
    """PyTorch's counterpart without dropout."""
    return _without_dropout(torch_twin(network.name, weights))


def torch_step(network: Network, model: Any, seed: int, device: str = "cpu", last: bool = False,
               how: str = "torch", precision: str = "fp32") -> Call:  # fmt: skip
    """The same step in PyTorch; `last`: in channels-last memory.

    `how`: "torch", eager; "compiled"; "graph", captured by hand; "tf32", the same with products of TF32.
    `precision`: fp32; tf32, cuDNN's convolutions tuned; bf16 and fp16, by autocast, fp16 with a GradScaler.
    Raises Unsupported for a graph where there is no GPU, and in fp16.
    """
    import torch

    on_gpu, by_hand = device.startswith("cuda"), how in ("graph", "tf32")
    if by_hand and not on_gpu:
        raise Unsupported(f"a graph needs a GPU, not {device}")
    if by_hand and precision == "fp16":
        raise Unsupported("its GradScaler asks the host in each step, which a graph cannot")
    order = torch.channels_last if last and len(network.batch) == 4 else torch.contiguous_format
    model = model.to(device).to(memory_format=order)
    images, labels = (torch.from_numpy(array).to(device) for array in network.data(seed))
    images, run = images.contiguous(memory_format=order), model
    if how == "compiled":
        run = torch.compile(model, mode="reduce-overhead" if on_gpu else "default")
    loss, optimizer = torch.nn.functional.cross_entropy, torch.optim.SGD(model.parameters(), **SGD)
    step = _torch_in(precision, device, _step, optimizer, lambda: loss(run(images), labels))
    return _torch_graph(step, model, optimizer, how == "tf32") if by_hand else step


def _torch_in(precision: str, device: str, make: Callable[..., Call], optimizer: Any, loss: Call) -> Call:
    """The step with TF32 allowed, or its forward pass under autocast, as the precision says; fp32 as it is."""
    import torch

    if precision == "fp32":
        return make(optimizer, loss)
    types = {"bf16": torch.bfloat16, "fp16": torch.float16}

    def mixed() -> Any:
        with torch.autocast(device.partition(":")[0], types[precision]):
            return loss()

    step = make(optimizer, loss if precision == "tf32" else mixed)
    if precision == "fp16":
        step = _scaled(torch.amp.GradScaler(device.partition(":")[0]), optimizer, mixed)

    def allowed() -> Any:
        backends: Any = torch.backends
        backends.cuda.matmul.allow_tf32 = backends.cudnn.allow_tf32 = precision == "tf32"
        backends.cudnn.benchmark = True
        return step()

    return allowed


def _torch_graph(step: Call, model: Any, optimizer: Any, tf32: bool) -> Call:
    """PyTorch's recipe: steps on a side stream to warm up, then the capture; weights and momentum as before them."""
    import torch

    cuda: Any = torch.cuda
    backends: tuple[Any, ...] = (torch.backends.cuda.matmul, torch.backends.cudnn)
    kept = {name: value.clone() for name, value in model.state_dict().items()}
    before = [one.allow_tf32 for one in backends]
    for one in backends:
        one.allow_tf32 = tf32
    try:
        side = cuda.Stream()
        side.wait_stream(cuda.current_stream())
        with cuda.stream(side):
            for _ in range(3):
                step()
        cuda.current_stream().wait_stream(side)
        optimizer.zero_grad(set_to_none=True)
        graph = cuda.CUDAGraph()
        with cuda.graph(graph):
            loss = step()
    finally:
        for one, value in zip(backends, before, strict=True):
            one.allow_tf32 = value
    model.load_state_dict(kept)
    for state in optimizer.state.values():
        state["momentum_buffer"].zero_()

    def replay() -> Any:
        graph.replay()
        return loss

    return replay


def _step(optimizer: Any, loss_of_batch: Callable[[], Any]) -> Call:
    def step() -> Any:
        optimizer.zero_grad()
        loss = loss_of_batch()
        loss.backward()
        optimizer.step()
        return loss.detach()

    return step


def _scaled(scaler: Any, optimizer: Any, loss_of_batch: Callable[[], Any]) -> Call:
    def step() -> Any:
        optimizer.zero_grad()
        loss = loss_of_batch()
        scaler.scale(loss).backward()
        scaler.step(optimizer)
        scaler.update()
        return loss.detach()

    return step


def _without_dropout(model: Any) -> Any:
    for module in model.modules():
        if type(module).__name__ == "Dropout":
            module.p = 0.0
    return model

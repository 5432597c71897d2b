"""Loops of data parallel training as PyTorch's users write them, for PyTorch and for gpunn: `torch` is either.

python -m tests.dist.programs.loops FOLDER    PyTorch's, on two processes that gloo joins: rank0.npz and rank1.npz there
"""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np

RANKS, BATCH = 2, 3
RNG = np.random.default_rng(3)
IMAGES, POINTS = RNG.normal(size=(24, 3, 6, 6)), RNG.normal(size=(24, 6))
WORDS, LABELS = RNG.integers(0, 9, (24, 5)), RNG.integers(0, 4, 24)


def networks(torch):
    nn, functional = torch.nn, torch.nn.functional

    class Words(nn.Module):
        def __init__(self):
            super().__init__()
            self.embedding, self.lstm = nn.Embedding(9, 4), nn.LSTM(4, 5, batch_first=True)
            self.head = nn.Linear(5, 4)

        def forward(self, words):
            return self.head(self.lstm(self.embedding(words))[1][0][0])

    class Layers(nn.Module):
        def __init__(self):
            super().__init__()
            self.first, self.idle, self.head = nn.Linear(6, 5), nn.Linear(5, 5), nn.Linear(5, 4)

        def forward(self, x, deep=False):
            x = functional.relu(self.first(x))
            return self.head(self.idle(x) if deep else x)

    class Frozen(Layers):
        def __init__(self):
            super().__init__()
            self.first.weight.requires_grad_(False)

    class Shared(nn.Module):
        def __init__(self):
            super().__init__()
            self.first, self.head = nn.Linear(6, 6), nn.Linear(6, 4)

        def forward(self, x):
            return self.head(torch.tanh(self.first(torch.tanh(self.first(x)))))

    images = nn.Sequential(
        nn.Conv2d(3, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(36, 4)
    )
    return {"images": images, "words": Words(), "layers": Layers(), "frozen": Frozen(), "shared": Shared()}


def batches(torch, x, rank):
    """This rank's, in turns with the other's."""
    pairs = [(x[i : i + BATCH], LABELS[i : i + BATCH]) for i in range(rank * BATCH, len(x), RANKS * BATCH)]
    return [tuple(torch.from_numpy(a.copy()) for a in pair) for pair in pairs]


def numpy_of(a):
    return a if isinstance(a, np.ndarray) else np.array(a.detach().numpy())


def found_by(torch, parallel, rank):
    """Gradients after each step, parameters and buffers at the end, of each loop, as arrays by name."""
    found, loss_fn = {}, torch.nn.functional.cross_entropy

    def start(kind, **options):
        model = networks(torch)[kind].double()
        rng = np.random.default_rng(1)
        state = {
            name: torch.from_numpy(np.asarray(rng.normal(size=tuple(a.shape)) / 2))
            for name, a in model.state_dict().items()
            if "running" not in name and "tracked" not in name
        }
        model.load_state_dict(state, strict=False)
        return parallel(model, **options)

    def keep(name, model):
        for of, p in model.module.named_parameters():
            found[f"{name}.{of}.grad"] = np.array(np.nan) if p.grad is None else numpy_of(p.grad)

    def end(name, model):
        keep(name, model)
        for of, a in model.module.state_dict().items():
            found[f"{name}.{of}"] = numpy_of(a)

    def learn(name, kind, x, call=lambda model, x: model(x), optimizer=None, **options):
        model = start(kind, **options)
        optimizer = (optimizer or (lambda params: torch.optim.SGD(params, 0.1, momentum=0.9)))(model.parameters())
        for step, (mine, y) in enumerate(batches(torch, x, rank)):
            optimizer.zero_grad()
            loss_fn(call(model, mine), y).backward()
            keep(f"{name}.{step}", model)
            optimizer.step()
        end(name, model)

    learn("images", "images", IMAGES)
    learn("own buffers", "images", IMAGES, broadcast_buffers=False)
    learn("words", "words", WORDS, optimizer=lambda params: torch.optim.Adam(params, 0.01))
    learn("shared", "shared", POINTS, gradient_as_bucket_view=True)
    learn("frozen", "frozen", POINTS, lambda model, x: model(x, True), bucket_cap_mb=0.0001)
    learn("idle", "layers", POINTS, find_unused_parameters=True)
    learn("rank 1 deep", "layers", POINTS, lambda model, x: model(x, rank == 1), find_unused_parameters=True)

    for view in (False, True):
        model = start("shared", gradient_as_bucket_view=view)
        optimizer = torch.optim.SGD(model.parameters(), 0.1)
        for step, (x, y) in enumerate(batches(torch, POINTS, rank)):
            if step % 2 == 0:
                optimizer.zero_grad()
                with model.no_sync():
                    loss_fn(model(x), y).backward()
            else:
                loss_fn(model(x), y).backward()
                optimizer.step()
            keep(f"no_sync {view}.{step}", model)
        end(f"no_sync {view}", model)

        model = start("shared", gradient_as_bucket_view=view)
        for x, y in batches(torch, POINTS, rank):
            loss_fn(model(x), y).backward()
        end(f"without zero_grad {view}", model)

    model = start("shared")
    optimizer = torch.optim.SGD(model.parameters(), 0.1, momentum=0.9)
    with model.join(**({"divide_by_initial_world_size": False} if torch.__name__ == "torch" else {})):
        for x, y in batches(torch, POINTS, rank)[: 4 - rank]:
            optimizer.zero_grad()
            loss_fn(model(x), y).backward()
            optimizer.step()
    for of, a in model.module.state_dict().items():
        found[f"join.{of}"] = numpy_of(a)
    return found


def main(folder):
    rank = os.environ.get("TORCH_RANK")
    if rank is None:
        command = [sys.executable, "-m", "tests.dist.programs.loops", folder]
        both = [subprocess.Popen(command, env={**os.environ, "TORCH_RANK": str(i)}) for i in range(RANKS)]
        sys.exit(max([child.wait(400) for child in both], key=abs))
    import torch
    from torch import distributed
    from torch.nn.parallel import DistributedDataParallel

    torch.set_num_threads(1)
    distributed.init_process_group("gloo", f"file://{folder}/meeting", rank=int(rank), world_size=RANKS)
    np.savez(Path(folder, f"rank{rank}.npz"), **found_by(torch, DistributedDataParallel, int(rank)))
    distributed.destroy_process_group()


if __name__ == "__main__":
    main(sys.argv[1])

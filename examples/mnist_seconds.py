"""MNIST to 99 %: the seconds of training that it takes, with the images on the device.

LeNet 20-50-500 sees the 60,000 images twice, in 468 steps of 256, each image shifted by up to a pixel; the rate rises
to 0.1 and falls again (OneCycleLR). On a GPU a batch is gathered and augmented by one launch, and a step is one CUDA
graph. Seeds 0 to 9 end at 99.13 to 99.35 %, mean 99.24 %, on a CPU: in 98 s on one core, busy with other work too.

    python examples/mnist_seconds.py [--device cuda] [--seeds 10] [--epochs 2] [--limit N]
"""

from __future__ import annotations

import argparse
import time

import numpy as np

import gpunn
from gpunn import backend, models, ops, optim, train
from gpunn.data import ArrayDataset, Compose, DataLoader, Loaded, Normalise, RandomCrop, Resident, load

BATCH, RATE = 256, 0.1


def trained(data: Loaded, images: Resident, seed: int, epochs: int) -> tuple[train.Trainer, float]:
    """A network of this seed, and the seconds that its training took, from the first step to the last."""
    gpunn.manual_seed(seed)
    transform = Compose(RandomCrop(padding=1), Normalise(data.mean, data.std))
    whole = len(images) > BATCH  # then the few images left over wait for the next epoch's order
    loader = DataLoader(images, BATCH, shuffle=True, drop_last=whole, seed=seed, transform=transform)
    model = models.create("lenet_20_50_500").to(images.device)
    optimizer = optim.SGD(model.parameters(), lr=RATE, momentum=0.9, nesterov=True, weight_decay=5e-4)
    schedule = optim.OneCycleLR(optimizer, RATE, total_steps=epochs * len(loader))
    trainer = train.Trainer(model, optimizer, ops.cross_entropy, schedule, metrics={}, device=images.device)
    backend.synchronize(images.device)
    start = time.perf_counter()
    trainer.fit(loader, epochs=epochs)
    backend.synchronize(images.device)
    return trainer, time.perf_counter() - start


def accuracy(trainer: train.Trainer, data: Loaded, images: Resident) -> float:
    """The share of the test images that it tells right."""
    loader = DataLoader(images, 500, transform=Normalise(data.mean, data.std))
    return train.Trainer(trainer.model, None, device=images.device).evaluate(loader)["accuracy"]


def main(argv=None) -> list[float]:
    """Train with each seed, print a line each and the means, and return the test accuracies."""
    parser = argparse.ArgumentParser(description="seconds of training to 99 % on MNIST")
    parser.add_argument("--device", default="cuda" if gpunn.is_available("cuda") else "cpu")
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--limit", type=int, default=None, help="train and test on the first N images only")
    args = parser.parse_args(argv)

    data = load("mnist", limit=args.limit)
    there = Resident(ArrayDataset(data.train, data.train_labels), args.device)
    test = Resident(ArrayDataset(data.test, data.test_labels), args.device)
    if there.device.type != "cpu":  # compiles the kernels, which a second program finds ready
        trained(data, Resident(ArrayDataset(data.train[:BATCH], data.train_labels[:BATCH]), args.device), 0, 4)
    scores, seconds = [], []
    for seed in range(args.seeds):
        trainer, spent = trained(data, there, seed, args.epochs)
        scores.append(accuracy(trainer, data, test))
        seconds.append(spent)
        print(f"seed {seed}: {scores[-1]:.2%} after {trainer.steps} steps, {spent:.3f} s", flush=True)
    reached = sum(score >= 0.99 for score in scores)
    print(
        f"mean {np.mean(scores):.2%}, {np.mean(seconds):.3f} s of training on {args.device}; {reached} of "
        f"{args.seeds} seeds reach 99 %"
    )
    return scores


if __name__ == "__main__":
    main()

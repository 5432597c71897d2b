"""ResNet-20 on 10,000 images of CIFAR-10 in several precisions: what 16 bits cost in accuracy, tried without a GPU.

Five epochs of batches of 128, images shifted by up to four pixels and mirrored, the rate up to 0.1 and down to 0
(OneCycleLR). On `cpu` a precision is rounding: the numbers are those that a GPU's 16-bit kernels give. Of CIFAR-10 from
JPEG copies the 10,000 test images, seeds 0, 1 and 2, 840 to 1,070 s a network on half a CPU core:

| precision | seed 0 | seed 1 | seed 2 | mean |
|---|---|---|---|---|
| fp32 | 60.23 % | 60.26 % | 60.11 % | 60.20 % |
| bf16 | 59.10 % | 59.24 % | 58.75 % | 59.03 % |

The point that bf16 loses is bf16's own: PyTorch 2.13, from the weights of seed 0, with its batches, augmentation and
schedule, loses as much, 60.36 % in fp32 and 59.08 % under autocast (its convolutions in float32 of rounded operands,
rounded: a native one takes 12 s a step on that core; both give the loss of 2.544 at first). With SGD's momentum held at
0.9 it was 61.49 % and 61.06 %. Gradients of one batch are as far from float32's here as there: 4.6, 9.4 and 7.5 % after
0, 4 and 12 steps, PyTorch's 4.3, 9.9 and 6.2 %; tests/train/test_precision_beside_pytorch.py holds them to that.

    python examples/cifar_precision.py [--precision bf16 fp32] [--seeds 3] [--first 0] [--epochs 5] [--limit 10000]
"""

from __future__ import annotations

import argparse
import time

import numpy as np

import gpunn
from gpunn import models, ops, optim, train
from gpunn.data import ArrayDataset, Compose, DataLoader, Loaded, Normalise, RandomCrop, RandomHorizontalFlip, load

BATCH, RATE = 128, 0.1


def trained(data: Loaded, precision: str, seed: int, epochs: int, device: str) -> float:
    """The test accuracy of a network of this seed."""
    gpunn.manual_seed(seed)
    normalise = Normalise(data.mean, data.std)
    transform = Compose(RandomCrop(padding=4), RandomHorizontalFlip(), normalise)
    loader = DataLoader(
        ArrayDataset(data.train, data.train_labels), BATCH, shuffle=True, drop_last=True, seed=seed, transform=transform
    )
    test = DataLoader(ArrayDataset(data.test, data.test_labels), 500, transform=normalise)
    model = models.create("resnet20").to(device)
    optimizer = optim.SGD(model.parameters(), lr=RATE, momentum=0.9, nesterov=True, weight_decay=5e-4)
    schedule = optim.OneCycleLR(optimizer, RATE, total_steps=epochs * len(loader))
    trainer = train.Trainer(
        model, optimizer, ops.cross_entropy, schedule, device=device, seed=seed, precision=precision
    )
    start = time.perf_counter()
    for epoch in range(1, epochs + 1):
        trainer.fit(loader, epochs=epoch)
        seconds, row = time.perf_counter() - start, trainer.history[-1]
        means = f"loss {row['train_loss']:.4f}, training accuracy {row['train_accuracy']:.2%}"
        print(f"{precision}, seed {seed}, epoch {epoch}: {means}, {seconds:.0f} s", flush=True)
    found = trainer.evaluate(test)["accuracy"]
    print(f"{precision}, seed {seed}: test accuracy {found:.2%}", flush=True)
    return found


def main(argv=None) -> dict[str, list[float]]:
    """Train in each precision with each seed; prints and returns the test accuracies after the last epoch."""
    parser = argparse.ArgumentParser(description="ResNet-20's accuracy by precision")
    parser.add_argument("--precision", nargs="+", default=["fp32", "bf16"], help="fp32, tf32, bf16, fp16")
    parser.add_argument("--device", default="cuda" if gpunn.is_available("cuda") else "cpu")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--first", type=int, default=0, help="the first of the seeds")
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--limit", type=int, default=10_000, help="train on the first N images only")
    args = parser.parse_args(argv)

    data = load("cifar10")
    few = Loaded(**{**vars(data), "train": data.train[: args.limit], "train_labels": data.train_labels[: args.limit]})
    found: dict[str, list[float]] = {}
    for precision in args.precision:
        seeds = range(args.first, args.first + args.seeds)
        found[precision] = [trained(few, precision, seed, args.epochs, args.device) for seed in seeds]
        each = ", ".join(f"{value:.2%}" for value in found[precision])
        print(f"{precision}: mean {np.mean(found[precision]):.2%} of seeds {each}", flush=True)
    return found


if __name__ == "__main__":
    main()

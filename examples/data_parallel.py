"""LeNet-5 on MNIST by several processes, in a loop of one's own: each learns from its share of the images.

The names are PyTorch's. The mean of all gradients moves each process's weights, which so stay alike to the last bit,
and which rank 0 saves. Two processes with seed 0 reach 98.3 % after two epochs, in 60 s on two CPU cores that other
work shared.

    gpunn launch -n 2 examples/data_parallel.py [--device cuda] [--epochs 2] [--limit N] [--out FILE]
"""

from __future__ import annotations

import argparse
import time

import gpunn
from gpunn import dist, models, ops, optim
from gpunn.data import ArrayDataset, DataLoader, DistributedSampler, load, normalise
from gpunn.dist import DistributedDataParallel
from gpunn.nn.state import evaluating

BATCH = 64  # of all processes together


def accuracy(model: DistributedDataParallel, test: ArrayDataset, device: str) -> float:
    """The share of the test images that the network tells right; each process looks at some of them."""
    right = 0.0
    with evaluating(model), gpunn.no_grad():
        for x, labels in DataLoader(test, 500, sampler=DistributedSampler(test, shuffle=False), device=device):
            right += float((model(x).array.argmax(1) == labels).sum())
    total = gpunn.tensor([right], device=device)
    dist.all_reduce(total)
    return total.item() / len(test)


def main(argv=None) -> float:
    """Train, print a line an epoch on rank 0, and return the test accuracy."""
    parser = argparse.ArgumentParser(description="data parallel training")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--limit", type=int, default=None, help="train and test on the first N images only")
    parser.add_argument("--out", help="where rank 0 saves the weights, such as lenet5.pt")
    args = parser.parse_args(argv)

    dist.init_process_group(args.device)
    rank, size = dist.get_rank(), dist.get_world_size()
    gpunn.manual_seed(0)  # the same weights everywhere
    mnist = load("mnist", limit=args.limit)
    images, tested = (normalise(x, mnist.mean, mnist.std) for x in (mnist.train, mnist.test))
    train, test = ArrayDataset(images, mnist.train_labels), ArrayDataset(tested, mnist.test_labels)
    sampler = DistributedSampler(train, drop_last=True)  # as many batches everywhere
    loader = DataLoader(train, BATCH // size, sampler=sampler, device=args.device)
    model = DistributedDataParallel(models.create("lenet5").to(args.device))
    optimizer = optim.SGD(model.parameters(), lr=0.05, momentum=0.9)
    start, score = time.perf_counter(), 0.0
    for epoch in range(args.epochs):
        sampler.set_epoch(epoch)
        for x, labels in loader:
            loss = ops.cross_entropy(model(x), labels)
            optimizer.zero_grad()
            loss.backward()  # leaves the mean of all processes' gradients
            optimizer.step()
        score = accuracy(model, test, args.device)
        if rank == 0:
            print(f"epoch {epoch + 1}: test accuracy {score:.2%} after {time.perf_counter() - start:.1f} s", flush=True)
    if rank == 0 and args.out:
        gpunn.save(model.module.state_dict(), args.out)  # keys as a LeNet-5's alone, without "module."
    dist.destroy_process_group()
    return score


if __name__ == "__main__":
    main()

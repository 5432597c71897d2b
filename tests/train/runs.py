"""A tiny run with everything in it whose state could be lost: dropout, batch norm, momentum, a schedule, callbacks."""

import numpy as np

from gpunn import manual_seed, nn, optim
from gpunn.data import ArrayDataset, DataLoader
from gpunn.train import Callback, EarlyStopping, GradientNormLog, Trainer


def blobs(n=48, seed=0):
    """Three overlapping classes of 6x6 images with 2 channels."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 3, n)
    images = rng.standard_normal((n, 2, 6, 6)) * 1.5 + labels[:, None, None, None]
    return images.astype(np.float32), labels


def loaders(batch_size=8, seed=5, n=48):
    train, val = ArrayDataset(*blobs(n)), ArrayDataset(*blobs(24, seed=1))
    return DataLoader(train, batch_size, shuffle=True, seed=seed), DataLoader(val, batch_size)


def network(width=4):
    return nn.Sequential(
        nn.Conv2d(2, width, 3),
        nn.BatchNorm2d(width),
        nn.ReLU(),
        nn.Dropout(0.3),
        nn.Flatten(),
        nn.Linear(width * 16, 3),
    )


def trainer(out=None, lr=0.02, width=4, optimizer=None, schedule=True, early=True, **options):
    manual_seed(11)
    model = network(width)
    optimizer = (
        optimizer(model.parameters()) if optimizer else optim.SGD(model.parameters(), lr, 0.9, weight_decay=1e-3)
    )
    steps = optim.StepLR(optimizer, 2, 0.5) if schedule else None
    callbacks = [*([EarlyStopping(patience=50)] if early else []), GradientNormLog(), *options.pop("callbacks", ())]
    return Trainer(model, optimizer, schedule=steps, callbacks=callbacks, seed=3, out=out, **options)


class At(Callback):
    """Calls `act` when `steps` steps are done, or at the end of epoch `epoch`."""

    def __init__(self, act, steps=None, epoch=None):
        self.act, self.steps, self.epoch = act, steps, epoch

    def on_batch_end(self, trainer):
        if trainer.steps == self.steps:
            self.act()

    def on_epoch_end(self, trainer):
        if self.epoch == trainer.epoch:
            self.act()


def timeless(history):
    """The rows without their times, which no two runs share."""
    return [{k: v for k, v in row.items() if k not in ("seconds", "images_per_second")} for row in history]


def equal(a, b):
    """Whether two state dicts are bitwise the same."""
    return a.keys() == b.keys() and all(np.array_equal(a[k], b[k]) and a[k].dtype == b[k].dtype for k in a)

"""Networks whose gradients over ranks are compared with those of one process that has the whole batch."""

import copy

import numpy as np

import gpunn
from gpunn import nn, ops

RNG = np.random.default_rng(5)
IMAGES, POINTS = RNG.normal(size=(12, 3, 6, 6)), RNG.normal(size=(12, 6))
WORDS, CLASSES = RNG.integers(0, 9, (12, 5)), RNG.integers(0, 4, 12)


class Tied(nn.Module):
    """One layer, called twice, whose weight is a third layer's, too."""

    def __init__(self):
        super().__init__()
        self.first, self.second, self.head = nn.Linear(6, 6), nn.Linear(6, 6), nn.Linear(6, 4)
        self.second.weight = self.first.weight

    def forward(self, x):
        return self.head(ops.tanh(self.second(ops.tanh(self.first(ops.tanh(self.first(x)))))))


class Idle(nn.Module):
    """A layer that nobody calls, between two that are called."""

    def __init__(self):
        super().__init__()
        self.first, self.idle, self.head = nn.Linear(6, 5), nn.Linear(5, 5), nn.Linear(5, 4)

    def forward(self, x):
        return self.head(ops.relu(self.first(x)))


class Frozen(Idle):
    """The first layer learns nothing, and all are called."""

    def __init__(self):
        super().__init__()
        self.first.requires_grad_(False)

    def forward(self, x):
        return self.head(ops.relu(self.idle(self.first(x))))


class Pieces(nn.Module):
    """Parameters that are used by views: rows, turned, a number without axes; and one that is empty."""

    def __init__(self):
        super().__init__()
        self.table = nn.Parameter(np.random.default_rng(1).normal(size=(10, 6)))
        self.scale, self.empty = nn.Parameter(np.array(0.5)), nn.Parameter(np.zeros((0, 4)))

    def forward(self, x):
        rows, rest = self.table[::2][:4], self.table[1::2][:4]
        return (x @ rows.T + ops.flip(x, 1) @ ops.transpose(rest)) * self.scale + self.empty.sum()


class Wordy(nn.Module):
    """An embedding, an LSTM and a linear layer on its last state; several things are returned."""

    def __init__(self):
        super().__init__()
        self.embedding, self.lstm = nn.Embedding(9, 4, padding_idx=0), nn.LSTM(4, 5, batch_first=True)
        self.head = nn.Linear(5, 4)

    def forward(self, words):
        y, (h, _) = self.lstm(self.embedding(words))
        return {"scores": self.head(h[0]), "states": y}


def convolutional():
    return nn.Sequential(
        nn.Conv2d(3, 4, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(4, 5, 3, bias=False), nn.Flatten(),
        nn.LayerNorm(5), nn.Linear(5, 4),
    )  # fmt: skip


NETWORKS = {
    "mlp": (lambda: nn.Sequential(nn.Linear(6, 7), nn.Tanh(), nn.Linear(7, 4)), POINTS),
    "shared weights": (Tied, POINTS),
    "unused": (Idle, POINTS),
    "frozen": (Frozen, POINTS),
    "views": (Pieces, POINTS),
    "words": (Wordy, WORDS),
    "images": (convolutional, IMAGES),
    "channels last": (lambda: convolutional().to(memory_format=gpunn.channels_last), IMAGES),
}


def loss_of(output, labels):
    if isinstance(output, dict):
        return ops.cross_entropy(output["scores"], labels) + (output["states"] ** 2).mean()
    return ops.cross_entropy(output, labels)


def total(output):
    return sum(part.sum() for part in output.values()) if isinstance(output, dict) else output.sum()


def gradients(model):
    return {name: None if p.grad is None else p.grad.array.copy() for name, p in model.named_parameters()}


def of_whole(base, x, labels=CLASSES):
    model = copy.deepcopy(base)
    loss_of(model(x), labels).backward()
    return gradients(model)


def made(make, dtype=np.float64):
    gpunn.manual_seed(0)
    return make().to(dtype=dtype)


def cut(lengths, *arrays):
    """Each rank's part of the arrays."""
    ends = np.cumsum(lengths)
    return [tuple(a[end - length : end] for a in arrays) for end, length in zip(ends, lengths, strict=True)]


def alike(found, want, atol=1e-12):
    for one in found:
        assert list(one) == list(want)
        for name, g in want.items():
            assert (one[name] is None) == (g is None), name
            if g is not None:
                assert one[name].dtype == g.dtype and one[name].shape == g.shape, name
                np.testing.assert_allclose(one[name], g, rtol=0, atol=atol, err_msg=name)
                assert one[name].tobytes() == found[0][name].tobytes(), f"{name}: ranks differ"

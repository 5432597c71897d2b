"""A Trainer among ranks has the bits of one process that accumulates their parts, whatever it trains and how."""

import copy

import numpy as np
import pytest

import gpunn
from gpunn import data, nn, optim, train
from tests.dist.together import together

RNG = np.random.default_rng(11)
N = 50  # of 3 parts of 4 the last batch has 2 samples: parts of 2, 0, 0
IMAGES, POINTS = (RNG.normal(size=(N, *rest)).astype(np.float32) for rest in ((1, 8, 8), (6,)))
WORDS, LABELS = RNG.integers(0, 9, (N, 5)), RNG.integers(0, 4, N)


class Words(nn.Module):
    def __init__(self):
        super().__init__()
        self.embedding, self.lstm, self.head = nn.Embedding(9, 4), nn.LSTM(4, 5, batch_first=True), nn.Linear(5, 4)

    def forward(self, words):
        return self.head(self.lstm(self.embedding(words))[1][0][0])


def images():
    return nn.Sequential(
        nn.Conv2d(1, 4, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.LayerNorm(36), nn.Linear(36, 4)
    )


def points():
    return nn.Sequential(nn.Linear(6, 8), nn.Tanh(), nn.Linear(8, 4))


NETWORKS = {"images": (images, IMAGES), "words": (Words, WORDS), "points": (points, POINTS)}
OPTIMIZERS = {
    "SGD": lambda params: optim.SGD(params, 0.1, momentum=0.9, nesterov=True, weight_decay=1e-3),
    "AdamW": lambda params: optim.AdamW(params, 0.01),
    "RMSprop": lambda params: optim.RMSprop(params, 0.01, momentum=0.5),
    "groups": lambda params: optim.SGD([{"params": params[:1], "lr": 0.01}, {"params": params[1:]}], 0.1, momentum=0.9),
}
MORE = {
    "plain": lambda optimizer: {},
    "one cycle": lambda optimizer: {"schedule": optim.OneCycleLR(optimizer, 0.1, total_steps=60)},
    "cosine": lambda optimizer: {"schedule": optim.CosineAnnealingLR(optimizer, 3)},
    "plateau": lambda optimizer: {"schedule": optim.ReduceLROnPlateau(optimizer, patience=0, threshold=0.5)},
    "EMA": lambda optimizer: {"ema": train.EMA(0.9)},
    "grad_clip": lambda optimizer: {"grad_clip": 0.05},
    "all": lambda optimizer: {
        "schedule": optim.StepLR(optimizer, 1, 0.5), "ema": train.EMA(0.99, warmup=True), "grad_clip": 0.1,
    },
}  # fmt: skip


def trained(base, x, optimizer, more, batch, **options):
    model = copy.deepcopy(base)
    optimizer = OPTIMIZERS[optimizer](list(model.parameters()))
    trainer = train.Trainer(model, optimizer, seed=1, **MORE[more](optimizer), **options)
    samples = data.ArrayDataset(x, LABELS)
    loader = data.DataLoader(samples, batch, shuffle=True, seed=3)
    history = trainer.fit(loader, data.DataLoader(data.ArrayDataset(x[:10], LABELS[:10]), 10, seed=0), 3)
    state = {name: np.array(a.array) for name, a in model.state_dict().items()}
    rows = [{k: v for k, v in row.items() if k not in ("seconds", "images_per_second")} for row in history]
    return state, rows, optimizer.param_groups[0]["lr"]


def compared(n, network, optimizer, more):
    make, x = NETWORKS[network]
    gpunn.manual_seed(0)
    base = make()
    found = together(n, lambda group: trained(base, x, optimizer, more, 4 * n, ranks=group))
    state, rows, lr = trained(base, x, optimizer, more, 4, accumulate=n, ranks=False)
    for mine, history, rate in found:
        assert all(mine[name].tobytes() == a.tobytes() for name, a in state.items())
        assert rate == lr and len(history) == len(rows) == 3
        for row, want in zip(history, rows, strict=True):
            assert row.keys() == want.keys()
            assert all(row[name] == pytest.approx(want[name], rel=1e-5) for name in row)


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("network", NETWORKS)
def test_networks_and_optimizers(network, optimizer):
    compared(2, network, optimizer, "plain")


@pytest.mark.parametrize("more", MORE)
@pytest.mark.parametrize("n", [2, 3])
def test_schedules_averages_and_limits(n, more):
    compared(n, "points", "SGD", more)

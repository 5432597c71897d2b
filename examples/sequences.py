"""Sequences: a sine continued by an RNN and an LSTM, and how far back a gradient reaches in each: what an LSTM mends.

Seeds 0, 1, 2. Both go on with a sine for 10 periods, 0.5 to 7 % of its height off (RNN) and 10 to 16 % (LSTM). Before
training, an RNN's gradient 20 steps back is 1e-7 of the last step's; an LSTM's whose forget gates are half open fades,
too, to 5e-5, with gates opened by a bias of 5 it keeps a third. After 300 steps of training that one recalls a sign 60
steps old (100 % right); an LSTM without the bias 10 steps, an RNN 20 to 60, as its seed has it.
A run takes 11 s on one CPU core, with its picture, which needs matplotlib.

    python examples/sequences.py [--seed 0] [--steps 400] [--lengths 10 20 40 60] [--out sequences.png]
"""

from __future__ import annotations

import argparse
from collections.abc import Callable

import numpy as np

import gpunn
from gpunn import Tensor, nn, ops, optim, pictures

HIDDEN, PERIOD, GIVEN, CONTINUED = 32, 20, 60, 200
BACK = 100  # steps over which a gradient is followed


class Forecast(nn.Module):
    """The next value at each step, from the values so far."""

    def __init__(self, kind: Callable[..., nn.RNNBase]):
        super().__init__()
        self.layer, self.head = kind(1, HIDDEN, batch_first=True), nn.Linear(HIDDEN, 1)

    def forward(self, x, hx=None):
        y, hx = self.layer(x, hx)
        return self.head(y), hx


def sines(count: int, length: int, rng: np.random.Generator) -> np.ndarray:
    """(count, length, 1): sines of PERIOD steps, each from a place drawn at random."""
    place = rng.uniform(0, PERIOD, (count, 1))
    return np.sin(2 * np.pi * (np.arange(length) + place) / PERIOD).astype(np.float32)[:, :, None]


def forecaster(kind: Callable[..., nn.RNNBase], steps: int, seed: int) -> tuple[Forecast, list[float]]:
    """A network trained to tell a sine's next value from noisy values so far, and its mean squared error by step."""
    gpunn.manual_seed(seed)
    rng, model, losses = np.random.default_rng(seed), Forecast(kind), []
    optimizer = optim.Adam(model.parameters(), lr=0.01)
    schedule = optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    for _ in range(steps):
        x = sines(32, GIVEN + 1, rng)
        noisy = x[:, :-1] + rng.normal(0, 0.1, x[:, :-1].shape).astype(np.float32)
        loss = ops.mse_loss(model(noisy)[0], x[:, 1:])
        optimizer.zero_grad()
        loss.backward()
        optim.clip_grad_norm_(model.parameters(), 1.0)  # where gradients explode, the step stays short
        optimizer.step()
        schedule.step()
        losses.append(loss.item())
    return model, losses


def continued(model: Forecast, given: np.ndarray, count: int) -> np.ndarray:
    """(N, count, 1): what comes after `given` (N, L, 1): each value that the network says is its next input."""
    found = []
    with gpunn.no_grad():
        y, hx = model(given)
        x = y[:, -1:]
        for _ in range(count):
            found.append(x.numpy())
            x, hx = model(x, hx)
    return np.concatenate(found, 1)


def reach(layer: nn.RNNBase, length: int = BACK, seed: int = 0) -> np.ndarray:
    """(length,): the norm of the gradient of the last state by each step's input, the last step first, which is 1."""
    x = Tensor(np.random.default_rng(seed).normal(size=(length, 64, layer.input_size)).astype(np.float32), True)
    y, _ = layer(x)
    ops.sum(y[-1]).backward()
    norms = np.linalg.norm(gpunn.to_numpy(x.gradient), axis=(1, 2))[::-1]
    return norms / norms[0]


def lstm(forget: float, inputs: int = HIDDEN) -> nn.LSTM:
    """An LSTM whose forget gates begin at sigmoid(forget): gates are in the order i, f, g, o."""
    layer = nn.LSTM(inputs, HIDDEN)
    with gpunn.no_grad():
        layer.bias_hh_l0[HIDDEN : 2 * HIDDEN] += forget
    return layer


def layers(seed: int = 0) -> dict[str, nn.RNNBase]:
    """Untrained layers, by what sets them apart."""
    gpunn.manual_seed(seed)
    large = nn.RNN(HIDDEN, HIDDEN)
    with gpunn.no_grad():
        large.weight_hh_l0 *= 4
    plain = {"RNN, recurrent weights x 4": large, "RNN": nn.RNN(HIDDEN, HIDDEN), "GRU": nn.GRU(HIDDEN, HIDDEN)}
    return {**plain, **{f"LSTM, forget bias {forget}": lstm(forget) for forget in (0, 2, 5)}}


class Recall(nn.Module):
    """What the first of many steps was, told from the last state."""

    def __init__(self, layer: nn.RNNBase):
        super().__init__()
        self.layer, self.head = layer, nn.Linear(layer.hidden_size, 1)

    def forward(self, x):
        return self.head(self.layer(x)[0][-1])


def recall(make: Callable[[], nn.RNNBase], length: int, steps: int = 300, seed: int = 0) -> tuple[float, Recall]:
    """The share of signs right after so many steps of noise, in the last 20 batches of training; and the network.

    It trains until they are all right, for at most so many steps. The sign stands in step 0, marked by a 1 beside it.
    """
    gpunn.manual_seed(seed)
    rng, model, right = np.random.default_rng(seed), Recall(make()), [0.0]
    optimizer = optim.Adam(model.parameters(), lr=0.01)
    while len(right) <= steps and (len(right) < 20 or min(right[-20:]) < 1):
        sign = rng.integers(0, 2, (64, 1)).astype(np.float32)
        x = np.stack([rng.normal(size=(length, 64)), np.zeros((length, 64))], -1).astype(np.float32)
        x[0] = np.concatenate([2 * sign - 1, np.ones((64, 1))], 1)
        score = model(x)
        loss = ops.binary_cross_entropy_with_logits(score, sign)
        optimizer.zero_grad()
        loss.backward()
        optim.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        right.append(float(((score.numpy() > 0) == sign).mean()))
    return float(np.mean(right[-20:])), model


RECALL = {
    "RNN": lambda: nn.RNN(2, HIDDEN),
    "LSTM, forget bias 0": lambda: lstm(0, 2),
    "LSTM, forget bias 5": lambda: lstm(5, 2),
}


def main(argv=None) -> dict[str, float]:
    """Train all, write the picture, and return the figures that were printed."""
    parser = argparse.ArgumentParser(description="a sine continued, and how far back a gradient reaches")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--steps", type=int, default=400, help="of training the forecast")
    parser.add_argument("--lengths", type=int, nargs="+", default=[10, 20, 40, 60], help="steps to remember over")
    parser.add_argument("--out", default="sequences.png", help="the picture's file")
    args = parser.parse_args(argv)
    if min(args.steps, *args.lengths) < 1:
        parser.error(f"--steps {args.steps} --lengths {' '.join(map(str, args.lengths))}: expected 1 at least of all")
    found, waves = {}, {}
    x = sines(1, GIVEN + CONTINUED, np.random.default_rng(args.seed))
    for kind in (nn.RNN, nn.LSTM):
        model, losses = forecaster(kind, args.steps, args.seed)
        name, y = kind.__name__, continued(model, x[:, :GIVEN], CONTINUED)
        waves[name], found[name] = y[0, :, 0], float(((y - x[:, GIVEN:]) ** 2).mean())
        print(f"{name}: loss {np.mean(losses[-20:]):.4f}; {CONTINUED} steps on, error {found[name] ** 0.5:.3f}")
    norms = {name: reach(layer) for name, layer in layers(args.seed).items()}
    for name, norm in norms.items():
        found[f"reach of {name}"] = float(norm[20])
        print(f"{name}: the gradient 20 steps back is {norm[20]:.0e} of the last step's")
    rights: dict[str, list[float]] = {}
    for name, make in RECALL.items():
        rights[name] = [recall(make, length, seed=args.seed)[0] for length in args.lengths]
        shares = ", ".join(f"{n} steps {share:.0%}" for n, share in zip(args.lengths, rights[name], strict=True))
        print(f"{name}: a sign is recalled after {shares}")
        found[f"recall of {name}"] = rights[name][-1]
    print(pictures.save(drawn(x[0, :, 0], waves, norms, rights, args.lengths), args.out))
    return found


def drawn(x, waves, norms, rights, lengths):
    """The two continuations, the reach of gradients, and what is recalled."""
    figure = pictures.new_figure(12, 7)
    (*above,), (reaching, recalling) = figure.subplots(2, 2)
    for axes, (name, wave) in zip(above, waves.items(), strict=True):
        axes.plot(np.arange(len(x)), x, color="lightgrey", linewidth=4, label="the sine")
        axes.plot(np.arange(GIVEN), x[:GIVEN], color="black", label="given")
        axes.plot(np.arange(GIVEN, len(x)), wave, color="C3", label=f"the {name}'s own")
        axes.set(title=f"{name}: {len(wave)} steps from its own outputs", xlabel="step", ylim=(-1.3, 1.8))
        axes.legend(loc="upper right", ncols=3)
    for name, norm in norms.items():
        reaching.semilogy(np.arange(len(norm)), np.maximum(norm, 1e-30), label=name)
    reaching.set(ylim=(1e-12, 1e9), xlabel="steps back", ylabel="share of the last step's")
    reaching.set_title("the last state's gradient by the inputs, untrained")
    reaching.legend(loc="upper right", ncols=2, fontsize=8)
    for name, share in rights.items():
        recalling.plot(lengths, 100 * np.array(share), marker="o", label=name)
    recalling.axhline(50, color="grey", linestyle=":", linewidth=1)
    recalling.set(xscale="log", xlabel="steps of noise since the sign", ylabel="% right", ylim=(20, 104))
    recalling.set_xticks(lengths, lengths)
    recalling.minorticks_off()
    recalling.set_title("a sign recalled; dotted: by chance")
    recalling.legend(loc="lower left")
    return figure


if __name__ == "__main__":
    main()

"""What Trainers do on ranks that MPI started. Each check is a function of the group; `found` is JSON."""

import sys
import warnings
from copy import deepcopy
from pathlib import Path

import numpy as np

import gpunn
from gpunn import data, dist, nn, optim, train
from tests.dist.mpi import tell

N = 61  # samples: the last batch is smaller, and some rank's part of it empty


def network(norm=None, dropout=0.0):
    gpunn.manual_seed(0)
    between = [] if norm is None else [norm(4)]
    return nn.Sequential(
        nn.Conv2d(1, 4, 3), *between, nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Dropout(dropout), nn.Linear(36, 5)
    )


def samples():
    rng = np.random.default_rng(0)
    return rng.normal(size=(N, 1, 8, 8)).astype(np.float32), rng.integers(0, 5, N)


def loader(batch, shuffle=True, **options):
    return data.DataLoader(data.ArrayDataset(*samples()), batch, shuffle=shuffle, seed=3, **options)


def trained(batch, epochs=2, accumulate=1, ranks=None, model=None, loss=gpunn.ops.cross_entropy, given=None, **options):
    model = network() if model is None else model
    optimizer = optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    trainer = train.Trainer(model, optimizer, loss, seed=1, accumulate=accumulate, ranks=ranks, **options)
    trainer.fit(loader(batch) if given is None else given, loader(7, shuffle=False), epochs)
    return trainer


def bits(trainer):
    return {name: np.array(a) for name, a in trainer.model.named_arrays().items()}


def same(a, b):
    return all(np.array_equal(a[name], b[name]) for name in a)


def furthest(a, b):
    return max(float(abs(a[name] - b[name]).max()) for name in a if a[name].size and a[name].dtype.kind == "f")


def bits_of_accumulation(group, folder):
    ours = trained(4 * group.size)
    one = trained(4, accumulate=group.size, ranks=False)
    whole = trained(4 * group.size, ranks=False)
    rows = [{k: v for k, v in row.items() if k not in ("seconds", "images_per_second")} for row in ours.history]
    alone = [{k: v for k, v in row.items() if k in rows[0]} for row in one.history]
    off = max(abs(a[k] - b[k]) for a, b in zip(rows, alone, strict=True) for k in a)
    return {"same": same(bits(ours), bits(one)), "far": furthest(bits(ours), bits(whole)), "history": off}


def several_batches_an_update(group, folder):
    """Two batches an update, of which the second begins in another order of sums: rounding alone."""
    return furthest(bits(trained(4 * group.size, accumulate=2)), bits(trained(8 * group.size, ranks=False)))


def plain_loaders(group, folder):
    """A list of batches, of which each rank takes its part, and a sampler that gives each its own samples."""
    x, y = samples()
    size = 4 * group.size
    pairs = [(x[i : i + size], y[i : i + size]) for i in range(0, N, size)]
    one = trained(0, accumulate=group.size, ranks=False, given=parts(pairs, group.size))
    sampler = data.DistributedSampler(data.ArrayDataset(x, y), group.size, group.rank, shuffle=False)
    own = data.DataLoader(data.ArrayDataset(x, y), 4, sampler=sampler)
    return {
        "list": same(bits(trained(0, given=pairs)), bits(one)),
        "sampler": furthest(bits(trained(0, given=own)), bits(trained(0, ranks=False, given=pairs))),
    }


def parts(pairs, ranks):
    """Of each batch of a list the ranks' parts, in their order: of the last one smaller ones."""
    cuts = [(pair, -(-len(pair[0]) // ranks)) for pair in pairs]
    return [tuple(a[i * p : (i + 1) * p] for a in pair) for pair, p in cuts for i in range(ranks)]


def ignored_labels(group, folder):
    """All labels of one rank's part may be ignored: what counts is the labels of all."""
    x, y = samples()
    y[:: group.size] = -100
    y[:4] = -100
    size = 4 * group.size
    pairs = [(x[i : i + size], y[i : i + size]) for i in range(0, N, size)]
    ours = trained(0, given=pairs)
    one = trained(0, accumulate=group.size, ranks=False, given=parts(pairs, group.size))
    return {"same": same(bits(ours), bits(one)), "loss": ours.history[-1]["train_loss"] - one.history[-1]["train_loss"]}


def mean_squares(group, folder):
    """A loss without labels weighs by samples, and the mean of no samples is no fault."""
    loss = lambda output, y: nn.functional.mse_loss(output, np.eye(5, dtype=np.float32)[y])  # noqa: E731
    options = {"loss": loss, "metrics": {}}
    return same(
        bits(trained(4 * group.size, **options)), bits(trained(4, accumulate=group.size, ranks=False, **options))
    )


def synchronised(group, folder):
    """Twenty steps with statistics of all ranks, beside one process with whole batches; the parts are unequal."""
    x, y = samples()
    pairs = [(x[i : i + 11], y[i : i + 11]) for i in range(0, 55, 11)]
    plain = network(nn.BatchNorm2d)
    model = nn.SyncBatchNorm.convert_sync_batchnorm(deepcopy(plain))
    ours = trained(0, 4, given=pairs, model=model)
    one = trained(0, 4, given=pairs, model=plain, ranks=False)
    return furthest(bits(ours), bits(one))


def own_statistics(group, folder):
    """Without, each rank has its own; validation and files are of rank 0's."""
    ours = trained(4 * group.size, model=network(nn.BatchNorm2d))
    losses = group.exchange(ours.history[-1]["val_loss"])
    ours.evaluate(loader(7, shuffle=False))
    mean = group.exchange(ours.model[1].running_mean.array.tolist())
    return {"losses": len(set(losses)), "means": sum(one == mean[0] for one in mean)}


def dropped(group, folder):
    """Ranks drop other units, and draw the same numbers again once the run is over."""
    masks = []
    model = network(dropout=0.5)
    model[-2].register_forward_hook(lambda module, args, y: masks.append((np.asarray(y.array) == 0).tolist()))
    trained(4 * group.size, 1, model=model)
    first = group.exchange(masks[0])
    after = group.exchange(gpunn.rand(3).tolist())
    return {"masks": len({str(mask) for mask in first}), "after": len({str(one) for one in after})}


def resumed(group, folder):
    """A run that stops and goes on, with dropout; and one that one process goes on with."""
    folder = Path(folder)
    options = {"model": network(dropout=0.3)}
    whole = bits(trained(4 * group.size, 3, model=network(dropout=0.3)))
    out = folder / "run"
    trained(4 * group.size, 1, out=out, callbacks=[train.Checkpoint(out, every=2)], **options)
    files = sorted(path.name for path in out.iterdir())
    group.barrier()
    model = network(dropout=0.3)
    again = train.Trainer(model, optim.SGD(model.parameters(), lr=0.1, momentum=0.9), seed=1)
    again.fit(loader(4 * group.size), loader(7, shuffle=False), 3, resume=out)
    one = network()
    alone = train.Trainer(one, optim.SGD(one.parameters(), lr=0.1, momentum=0.9), seed=1, ranks=False)
    alone.fit(loader(4 * group.size), loader(7, shuffle=False), 3, resume=out)
    counts = [row["train_loss"] for row in alone.history]
    return {
        "same": same(bits(again), whole),
        "files": files,
        "rows": len(counts),
        "first": again.history[0] == alone.history[0],
    }


def within_sums(group, folder):
    """A checkpoint between two batches of one update holds the sums of all ranks."""
    out = Path(folder) / "sums"
    stop = Stop(3)
    trained(4 * group.size, 1, accumulate=2, out=out, callbacks=[stop, train.Checkpoint(out, every=1)])
    group.barrier()
    runs = []
    for ranks in (None, False):
        model = network()
        trainer = train.Trainer(
            model, optim.SGD(model.parameters(), lr=0.1, momentum=0.9), seed=1, accumulate=2, ranks=ranks
        )
        trainer.fit(loader(4 * group.size), None, 1, resume=out / "kept.npz")
        runs.append(bits(trainer))
    return {"far": furthest(*runs), "whole": furthest(runs[0], bits(trained(4 * group.size, 1, accumulate=2)))}


class Stop(train.Callback):
    """Keeps the checkpoint of a step."""

    def __init__(self, step):
        self.step = step

    def on_batch_end(self, trainer):
        folder = Path(trainer.out)
        if trainer.steps == self.step + 1 and trainer.writes:
            (folder / "kept.npz").write_bytes((folder / "checkpoint.npz").read_bytes())


def differing(group, folder):
    """Ranks that were started with other options are told, all of them."""
    words = []
    for options in ({"model": network() if group.rank else nn.Sequential(nn.Flatten(), nn.Linear(64, 5))},
                    {"grad_clip": 1.0 + group.rank}):  # fmt: skip
        try:
            trained(8, **options)
        except dist.DistError as error:
            words.append(str(error))
    return words


CHECKS = {
    check.__name__: check
    for check in (
        bits_of_accumulation, several_batches_an_update, plain_loaders, ignored_labels, mean_squares, synchronised,
        own_statistics, dropped, resumed, within_sums, differing,
    )
}  # fmt: skip


if __name__ == "__main__":
    warnings.simplefilter("error")
    folder, *names = sys.argv[1:]
    group = dist.init(timeout=300)
    tell(folder, group.rank, {name: CHECKS[name](group, folder) for name in names or CHECKS if name in CHECKS})

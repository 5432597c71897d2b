"""U-Net on generated shapes: the class of each pixel, discs and triangles on textures.

Seeds 0 and 1, 2,000 training images of 64 x 64, 10 epochs of 121,195 weights, 126 s on one CPU core: mean intersection
over union 0.926 and 0.948 on the 400 test images, 98.9 % and 99.3 % of their pixels right. Without skip connections
(seed 0) 0.909: of shapes as coarse as these most passes the narrowest level. The picture needs matplotlib.

    python examples/segmentation.py [--loss both] [--no-skips] [--epochs 10] [--width 8] [--depth 3] [--out FILE]
"""

from __future__ import annotations

import argparse
import time

import gpunn
from gpunn import data, models, nn, ops, optim, pictures, train
from gpunn.data import shapes


class WithoutSkips(models.UNet):
    """Zeros in place of what the contracting path saw: what is where has to pass the narrowest level."""

    def forward(self, x):
        x = self.down[0](x)
        for block in self.down[1:]:
            x = block(self.pool(x))
        for up, block in zip(self.up, self.expand, strict=True):
            x = up(x)
            x = block(ops.concatenate([x * 0, x], axis=1))
        return self.head(x)


def both(scores, masks):
    """Cross-entropy and soft Dice together, as nnU-Net has it (Isensee et al. 2021)."""
    return ops.cross_entropy(scores, masks) + ops.dice_loss(scores, masks)


LOSSES = {"cross_entropy": ops.cross_entropy, "dice": ops.dice_loss, "both": both}


def halved(images, masks):
    """Images and masks at half their size: means of four pixels, and the class of one of them."""
    n, c, height, width = images.shape
    means = images.reshape(n, c, height // 2, 2, width // 2, 2).mean((3, 5))
    return means.round().astype(images.dtype), masks[:, ::2, ::2].copy()


def network(width=8, depth=3, build=models.UNet) -> nn.Module:
    """A U-Net for the shapes, or another class of its kind."""
    return build(len(shapes.CLASSES), 3, depth, width, batch_norm=True)


def fit(model, images, masks, epochs, test=None, loss=ops.cross_entropy, lr=0.01, batch_size=16, seed=0, callbacks=()):
    """Train by Adam under one cycle of the rate; the history's rows, with accuracy and mean IoU of both parts."""
    loader = data.DataLoader(data.ArrayDataset(images, masks), batch_size, shuffle=True, seed=seed)
    test = None if test is None else data.DataLoader(data.ArrayDataset(*test), 50)
    optimizer = optim.Adam(model.parameters(), lr)
    schedule = optim.OneCycleLR(optimizer, lr, epochs=epochs, steps_per_epoch=len(loader))
    metrics = {"accuracy": train.accuracy, "iou": train.mean_iou}
    run = train.Trainer(model, optimizer, loss, schedule, callbacks, metrics, seed=seed)
    return list(run.fit(loader, test, epochs))


class Say(train.Callback):
    """A line an epoch."""

    def on_epoch_end(self, trainer):
        row = trainer.row
        print(
            f"epoch {row['epoch']}: loss {row['train_loss']:.4f}; test: {row['val_accuracy']:.2%} of pixels right, "
            f"mean IoU {row['val_iou']:.4f}; {time.process_time():.0f} s of CPU",
            flush=True,
        )


def main(argv=None) -> float:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--width", type=int, default=8, help="channels of the first level, doubled at each")
    parser.add_argument("--depth", type=int, default=3, help="levels below the first")
    parser.add_argument("--loss", choices=LOSSES, default="cross_entropy")
    parser.add_argument("--no-skips", action="store_true", help="zeros in place of the skip connections")
    parser.add_argument("--limit", type=int, help="training images")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", default="overlays.png")
    args = parser.parse_args(argv)
    gpunn.manual_seed(args.seed)
    loaded = data.load("shapes", limit=args.limit)
    images, test = (data.normalise(x, loaded.mean, loaded.std) for x in (loaded.train, loaded.test))
    model = network(args.width, args.depth, WithoutSkips if args.no_skips else models.UNet)
    print(f"U-Net of {sum(p.size for p in model.parameters()):,} parameters, {len(images):,} images")
    rest = {"loss": LOSSES[args.loss], "seed": args.seed, "callbacks": [Say()]}
    row = fit(model, images, loaded.train_labels, args.epochs, (test, loaded.test_labels), **rest)[-1]
    predicted = train.predict(model, test[:8]).argmax(1)
    figure = pictures.overlays(loaded.test[:8], loaded.test_labels[:8], predicted, loaded.classes)
    print(f"images, masks and predictions: {pictures.save(figure, args.out)}")
    return row["val_iou"]


if __name__ == "__main__":
    main()

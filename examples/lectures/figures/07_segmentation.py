"""Figures of longer runs for the chapter on segmentation."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure
from segmentation import LOSSES, fit, halved, network

import gpunn
from gpunn import data, pictures, train


def unet_shapes() -> Figure:
    """Masks of the two fullest test images after 6 epochs of U-Net on 2,000 shapes; 80 s on one core."""
    loaded = data.load("shapes")
    x, test = (data.normalise(a, loaded.mean, loaded.std) for a in (loaded.train, loaded.test))
    gpunn.manual_seed(0)
    model = network()
    fit(model, x, loaded.train_labels, 6, loss=LOSSES["both"])
    scores = train.predict(model, test)
    print(f"mean IoU {train.mean_iou(scores, loaded.test_labels):.3f}")
    full = np.argsort(-(loaded.test_labels > 0).mean((1, 2)))[:2]
    return pictures.overlays(loaded.test[full], loaded.test_labels[full], scores.argmax(1)[full], loaded.classes)


def unet_losses() -> Figure:
    """Mean IoU epoch by epoch, by cross-entropy, soft Dice and their sum, on 600 small shapes; 35 s on one core."""
    images, masks = halved(*data.make_shapes(600))
    test, test_masks = halved(*data.make_shapes(200, part="test"))
    x, test = (data.normalise(a, 0.5, 0.25) for a in (images, test))
    figure = Figure(figsize=(7, 2.8), dpi=100, layout="constrained")
    axes = figure.subplots()
    for name, loss in LOSSES.items():
        gpunn.manual_seed(0)
        rows = fit(network(depth=2), x, masks, 7, (test, test_masks), loss, batch_size=8)
        label = f"{name.replace('_', '-')}: {rows[-1]['val_iou']:.3f}"
        axes.plot([row["epoch"] for row in rows], [row["val_iou"] for row in rows], ".-", label=label)
    axes.set(xlabel="epoch", ylabel="mean IoU on test images", ylim=(0.2, 1))
    axes.legend(loc="lower right")
    return figure

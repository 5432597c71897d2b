"""The saved figures of the lecture on auto-encoders: of one network, trained once."""

from __future__ import annotations

from functools import cache

import autoencoders
import numpy as np

import gpunn
from gpunn import data, models, pictures

DPI = 60  # a picture stays below 100 kB


@cache
def _trained():
    """A variational auto-encoder with codes of two numbers, and its data: MNIST, 12 epochs."""
    gpunn.manual_seed(0)
    mnist = data.load("mnist")
    images = mnist.train.astype(np.float32) / 255
    return autoencoders.fit(models.vae(latent=2), images, epochs=12, seed=0), mnist


def vae_codes():
    """Where a variational auto-encoder with codes of two numbers puts MNIST's digits; 12 epochs, 120 CPU seconds."""
    model, mnist = _trained()
    codes = model.encode(mnist.test[:3000].astype(np.float32) / 255)
    figure = pictures.latent_map(codes, mnist.test_labels[:3000], mnist.classes)
    figure.set_dpi(DPI)
    return figure


def vae_plane():
    """Which images it makes of codes in the same plane; 12 epochs, 120 CPU seconds."""
    figure = pictures.latent_plane(_trained()[0].decode, side=11)
    figure.set_dpi(DPI)
    return figure

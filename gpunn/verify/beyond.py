"""The tasks of `gpunn verify` past 2^31 elements, where an index of 32 bits goes wrong."""

from __future__ import annotations

from collections.abc import Iterator

from gpunn.verify.batch_norm import beyond_batch_norm
from gpunn.verify.beyond_conv import convolutions
from gpunn.verify.beyond_elements import elements
from gpunn.verify.beyond_filters import filters
from gpunn.verify.beyond_indexing import indices
from gpunn.verify.beyond_planes import poolings
from gpunn.verify.beyond_products import products
from gpunn.verify.beyond_rows import rows
from gpunn.verify.conv_pool import beyond_conv_pool
from gpunn.verify.ctc_loss import beyond_ctc
from gpunn.verify.loss import beyond_losses
from gpunn.verify.recurrent import sequences
from gpunn.verify.space import Beyond, Space
from gpunn.verify.task import Task


def beyond_tasks(device: str) -> Iterator[Task]:
    """Those for which the device has the memory."""
    space = Space(device)
    free = space.free()
    for one in every(space):
        if one.gigabytes * 1e9 <= free:
            yield one.task(space)


def left_out(device: str) -> str:
    """What `beyond_tasks` leaves out on a device, in words; "" where it has room for all."""
    space = Space(device)
    free = space.free()
    lacking = [one.gigabytes for one in every(space) if one.gigabytes * 1e9 > free]
    if not lacking:
        return ""
    most, there = max(lacking), round(free / 1e9)
    return f"{len(lacking)} cases past 2^31 elements left out: they take up to {most} GB, and {there} are free"


def every(space: Space) -> Iterator[Beyond]:
    """All of them."""
    planes = (convolutions, beyond_conv_pool, poolings, filters, beyond_batch_norm)
    for group in (*planes, rows, beyond_losses, beyond_ctc, sequences, elements, indices, products):
        yield from group(space)

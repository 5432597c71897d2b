"""Parts, places, copies and products, as in op_rows: those that matter most, and what PyTorch has no samples of."""

from __future__ import annotations

from collections import Counter
from functools import partial

import numpy as np
import torch

from tests.values import op_rows
from tests.values.op_rows import of, row

some = partial(op_rows.some, asked=Counter())  # other files' numbers stay as they are

PLACES = np.array([[2, 0, 2], [1, 1, 0]])
TIMES = np.array([2, 0, 1])

row("shapes", "swapaxes", lambda x, **d: torch.swapaxes(x, **d), of(some(2, 3, 4)), axis0=0, axis1=-1)
row("shapes", "swapdims", lambda x, **d: torch.swapdims(x, **d), of(some(2, 3, 4)), dim0=0, dim1=-1)
row("shapes", "windows_along", lambda x, **d: x.unfold(*d.values()), of(some(2, 7)), dim=1, size=3, step=2)
row("shapes", "fold", torch.nn.functional.fold, of(some(1, 4, 4)), output_size=[3, 3], kernel_size=[2, 2])
row("shapes", "diagonal", torch.diagonal, of(some(2, 3, 4)), offset=-1, dim1=2, dim2=0)
row("shapes", "unbind", torch.unbind, of(some(2, 3)), dim=1)
row("shapes", "gather", lambda x, index, dim: x.gather(dim, index), of(some(2, 4)), {"index": PLACES}, dim=1)
row("shapes", "index_select", lambda x, index, dim: x.index_select(dim, index), of(some(2, 3)), {"index": TIMES}, dim=1)
row("shapes", "masked_fill", lambda x, mask, value: x.masked_fill(mask, value), of(some(2, 3)), {"mask": PLACES > 0},
    value=-2.5)  # fmt: skip
row("shapes", "masked_select", torch.masked_select, of(some(2, 3)), {"mask": PLACES > 1})
row("shapes", "scatter", lambda x, src, index, dim: x.scatter(dim, index, src), {"x": some(2, 4), "src": some(2, 3)},
    {"index": np.array([[3, 0, 2], [1, 2, 0]])}, dim=1)  # fmt: skip
row("shapes", "scatter_add", lambda x, src, index, dim: x.scatter_add(dim, index, src),
    {"x": some(2, 4), "src": some(2, 3)}, {"index": PLACES}, dim=1)  # fmt: skip
row("shapes", "index_add", lambda x, source, index, dim, alpha: x.index_add(dim, index, source, alpha=alpha),
    {"x": some(2, 3), "source": some(2, 3)}, {"index": TIMES}, dim=1, alpha=0.5)  # fmt: skip
row("shapes", "repeat", lambda x, sizes: x.repeat(sizes), of(some(2, 3)), sizes=[2, 1, 2])
row("shapes", "repeat_interleave", lambda x, repeats, dim: x.repeat_interleave(repeats, dim), of(some(2, 3)),
    {"repeats": TIMES}, dim=1)  # fmt: skip
row("shapes", "flip", torch.flip, of(some(2, 3)), dims=[0, 1])
row("shapes", "roll", torch.roll, of(some(2, 3)), shifts=[1, -1], dims=[0, 1])
row("shapes", "tril", torch.tril, of(some(3, 4)), diagonal=-1)
row("shapes", "diag_embed", torch.diag_embed, of(some(2, 3)), offset=1)
row("shapes", "baddbmm", lambda x, a, b, **d: torch.baddbmm(x, a, b, **d),
    {"x": some(3), "a": some(2, 3, 4), "b": some(2, 4, 3)}, beta=0.5, alpha=2)  # fmt: skip
row("shapes", "cdist", lambda x1, x2, p: torch.cdist(x1, x2, p), {"x1": some(3, 2), "x2": some(4, 2)}, p=3)

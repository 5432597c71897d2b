"""Activations beyond the common ones, as in op_rows: gates, bent lines, curves of several constants."""

from __future__ import annotations

from collections import Counter
from functools import partial

import numpy as np
import torch.nn.functional as F

from tests.values import op_rows
from tests.values.op_rows import LINE, ZERO, of, row

some = partial(op_rows.some, asked=Counter())  # other files' numbers stay as they are

for op, theirs, x, options in (
    ("selu", F.selu, LINE, {}),
    ("celu", F.celu, ZERO, {}),
    ("celu", F.celu, ZERO, {"alpha": -0.5}),
    ("mish", F.mish, ZERO, {}),
    ("hardswish", F.hardswish, np.append(ZERO, [-3.0, 3.0]), {}),
    ("hardsigmoid", lambda x: F.relu6(x + 3) / 6, ZERO, {}),  # its own slope is 1 / 6 in float32 only
    ("logsigmoid", F.logsigmoid, ZERO, {}),
    ("softsign", F.softsign, ZERO, {}),
    ("tanhshrink", F.tanhshrink, ZERO, {}),
    ("softshrink", F.softshrink, ZERO, {}),
    ("hardshrink", F.hardshrink, ZERO, {"lambd": 0.75}),
    ("threshold", F.threshold, ZERO, {"threshold": 0.875, "value": -7.5}),
    ("softmin", F.softmin, some(2, 3), {"dim": 1}),
    ("glu", F.glu, some(2, 4, 3), {"dim": 1}),
    ("rrelu", F.rrelu, ZERO, {"lower": 0.25, "upper": 0.5}),
):
    row("curves", op, theirs, of(x), **options)

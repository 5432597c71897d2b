"""The digits 0 to 9 as pen strokes, several ways of writing each.

A glyph lives in a box with its centre at 0, y pointing down: y from -1 (top) to 1 (bottom), x about -0.65 to 0.65.
"""

from __future__ import annotations

from functools import cache
from typing import TypeAlias

import numpy as np

SEGMENTS = 26  # every glyph is cut into this many straight pieces, so that a batch is one array

Point: TypeAlias = tuple[float, float]


def line(*points: Point) -> np.ndarray:
    """A stroke of straight pieces through `points`."""
    return np.array(points, dtype=np.float64)


def curve(*points: Point, steps: int = 12) -> np.ndarray:
    """A smooth stroke through `points` (a Catmull-Rom spline, ends repeated)."""
    p = np.array(points, dtype=np.float64)
    p = np.concatenate([2 * p[:1] - p[1:2], p, 2 * p[-1:] - p[-2:-1]])
    t = np.linspace(0, 1, steps, endpoint=False)[:, None]
    pieces = [
        0.5 * (2 * b + (c - a) * t + (2 * a - 5 * b + 4 * c - d) * t**2 + (3 * b - 3 * c + d - a) * t**3)
        for a, b, c, d in zip(p, p[1:], p[2:], p[3:], strict=False)
    ]
    return np.concatenate([*pieces, p[-2:-1]])


def arc(cx: float, cy: float, rx: float, ry: float, start: float = 0.0, stop: float = 360.0) -> np.ndarray:
    """Part of an ellipse; angles in degrees, 0 to the right, 90 down."""
    a = np.radians(np.linspace(start, stop, 40))
    return np.stack([cx + rx * np.cos(a), cy + ry * np.sin(a)], axis=1)


GLYPHS = {
    0: [
        [arc(0, 0, 0.62, 1)],
        [arc(0, 0, 0.45, 1)],
        [curve((0.15, -0.98), (-0.35, -0.8), (-0.6, 0), (-0.3, 0.9), (0.2, 0.92), (0.58, 0.1), (0.4, -0.75),
               (0.05, -0.9))],
    ],
    1: [
        [line((0, -1), (0, 1))],
        [line((-0.32, -0.6), (0.05, -1), (0.05, 1))],
        [line((-0.32, -0.65), (0.02, -1), (0.02, 1)), line((-0.4, 1), (0.42, 1))],
    ],
    2: [
        [curve((-0.55, -0.55), (-0.3, -0.93), (0.2, -0.97), (0.52, -0.55), (0.3, 0), (-0.2, 0.6), (-0.6, 1)),
         line((-0.6, 1), (0.62, 1))],
        [curve((-0.5, -0.65), (-0.1, -1), (0.42, -0.75), (0.4, -0.2), (0, 0.5), (-0.4, 0.95), (-0.62, 0.75),
               (-0.35, 0.6),
               (0.1, 0.88), (0.62, 0.95))],
        [curve((-0.5, -0.8), (0.05, -1), (0.5, -0.7), (0.25, -0.1), (-0.55, 0.9)),
         curve((-0.55, 0.9), (0, 0.85), (0.6, 1))],
    ],
    3: [
        [curve((-0.5, -0.8), (0, -1), (0.48, -0.6), (0.3, -0.15), (-0.12, -0.03)),
         curve((-0.12, -0.03), (0.4, 0.1), (0.58, 0.5), (0.2, 0.95), (-0.25, 0.97), (-0.58, 0.72))],
        [line((-0.5, -0.98), (0.48, -0.98), (-0.05, -0.2)),
         curve((-0.05, -0.2), (0.45, 0), (0.55, 0.5), (0.15, 0.95), (-0.3, 0.95), (-0.58, 0.7))],
        [arc(-0.05, -0.52, 0.48, 0.46, -150, 90), arc(-0.05, 0.46, 0.58, 0.53, -90, 155)],
    ],
    4: [
        [line((0.25, -1), (-0.6, 0.32), (0.65, 0.32)), line((0.25, -1), (0.25, 1))],
        [line((-0.45, -0.95), (-0.52, 0.12), (0.6, 0.12)), line((0.35, -0.8), (0.3, 1))],
        [curve((-0.3, -1), (-0.45, -0.4), (-0.55, 0.15)), line((-0.55, 0.15), (0.65, 0.1)),
         line((0.32, -0.35), (0.2, 1))],
    ],
    5: [
        [line((0.52, -1), (-0.42, -1), (-0.48, -0.12)),
         curve((-0.48, -0.12), (0, -0.32), (0.48, -0.02), (0.52, 0.5), (0.15, 0.95), (-0.3, 0.97), (-0.58, 0.75))],
        [line((0.58, -0.95), (-0.3, -0.98)),
         curve((-0.3, -0.98), (-0.48, -0.3), (-0.2, -0.2), (0.35, 0.05), (0.42, 0.6), (0, 0.98), (-0.5, 0.85))],
        [line((0.6, -1), (-0.35, -0.92), (-0.45, -0.05)), line((-0.45, -0.05), (0.1, -0.12)),
         arc(0.02, 0.42, 0.5, 0.55, -90, 140)],
    ],
    6: [
        [curve((0.4, -0.95), (-0.1, -0.75), (-0.5, -0.1), (-0.52, 0.5), (-0.2, 0.95), (0.25, 0.95), (0.52, 0.5),
               (0.3, 0.08),
               (-0.15, 0.08), (-0.5, 0.45))],
        [curve((0.1, -1), (-0.3, -0.5), (-0.48, 0.1), (-0.46, 0.5)), arc(0.02, 0.5, 0.48, 0.48)],
        [curve((0.5, -0.85), (0.15, -1), (-0.3, -0.75), (-0.55, 0), (-0.45, 0.7), (0, 1), (0.45, 0.75), (0.45, 0.2),
               (0.05, -0.05),
               (-0.4, 0.25))],
    ],
    7: [
        [line((-0.55, -0.95), (0.55, -0.95), (-0.12, 1))],
        [line((-0.58, -0.92), (0.55, -0.98), (-0.05, 1)), line((-0.25, 0.05), (0.5, 0.02))],
        [line((-0.55, -0.68), (-0.52, -0.98)), curve((-0.52, -0.98), (0, -0.92), (0.55, -1)),
         curve((0.55, -1), (0.15, -0.1), (0, 1))],
    ],
    8: [
        [arc(0, -0.5, 0.44, 0.48), arc(0, 0.48, 0.56, 0.5)],
        [curve((0.42, -0.7), (0, -1), (-0.42, -0.65), (-0.2, -0.2), (0.3, 0.15), (0.5, 0.6), (0, 1), (-0.5, 0.6),
               (-0.3, 0.15),
               (0.25, -0.2), (0.42, -0.7))],
        [arc(0.04, -0.55, 0.38, 0.42), arc(-0.02, 0.42, 0.46, 0.56)],
    ],
    9: [
        [arc(-0.02, -0.48, 0.48, 0.48), line((0.46, -0.5), (0.4, 1))],
        [curve((0.42, -0.45), (0.05, 0.02), (-0.42, -0.2), (-0.4, -0.75), (0.05, -1), (0.42, -0.7), (0.48, -0.1),
               (0.3, 0.6),
               (-0.1, 0.95), (-0.45, 0.8))],
        [curve((0.45, -0.8), (0, -1), (-0.45, -0.6), (-0.3, -0.1), (0.15, -0.1), (0.45, -0.6)),
         curve((0.45, -0.8), (0.42, 0), (0.12, 1))],
    ],
}  # fmt: skip


@cache
def glyph_table() -> tuple[np.ndarray, np.ndarray]:
    """All glyphs cut into SEGMENTS pieces: (glyphs, SEGMENTS, 2 ends, 2 coordinates) float32, and the digit of each."""
    digits = [digit for digit, styles in GLYPHS.items() for _ in styles]
    table = [_cut(strokes) for styles in GLYPHS.values() for strokes in styles]
    return np.stack(table).astype(np.float32), np.array(digits)


def _cut(strokes) -> np.ndarray:
    """SEGMENTS pieces shared among the strokes by their lengths; every corner that a piece skips is under a pixel."""
    lengths = np.array([np.linalg.norm(np.diff(s, axis=0), axis=1).sum() for s in strokes])
    shares = np.maximum(1, np.floor(lengths / lengths.sum() * SEGMENTS).astype(int))
    shares[np.argmax(lengths)] += SEGMENTS - shares.sum()
    ends = [_resample(stroke, n) for stroke, n in zip(strokes, shares, strict=True)]
    return np.concatenate([np.stack([p[:-1], p[1:]], axis=1) for p in ends])


def _resample(stroke: np.ndarray, pieces: int) -> np.ndarray:
    """`pieces` + 1 points at equal distances along the stroke."""
    along = np.concatenate([[0], np.cumsum(np.linalg.norm(np.diff(stroke, axis=0), axis=1))])
    at = np.linspace(0, along[-1], pieces + 1)
    return np.stack([np.interp(at, along, stroke[:, i]) for i in range(2)], axis=1)

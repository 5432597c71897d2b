"""What an input whose axes are in another order looks like: the end of an error's sentence."""

from __future__ import annotations


def mistaken(shape: tuple[int, ...], channels: int, rank: int) -> str:
    """What an x that has not these channels looks like, and the remedy; "" where it looks like nothing known.

    >>> mistaken.mistaken((8, 32, 32, 3), channels=3, rank=2)
    'x looks like (N, H, W, C); transpose it with x.permute(0, 3, 1, 2), an array with x.transpose(0, 3, 1, 2)'
    """
    batched, sizes = len(shape) == rank + 2, {1: "L", 2: "H, W", 3: "D, H, W"}.get(rank)
    if sizes is None or len(shape) not in (rank + 1, rank + 2):
        return ""
    if shape[-1] == channels < min(shape[-rank - 1 : -1]):
        order = (0, rank + 1, *range(1, rank + 1)) if batched else (rank, *range(rank))
        axes = f"({'N, ' * batched}{sizes}, C)"
        return f"x looks like {axes}; transpose it with x.permute{order}, an array with x.transpose{order}"
    if channels == 1 and not batched:
        return f"x looks like (N, {sizes}); give it its one channel with x.unsqueeze(1), an array with x[:, None]"
    return ""

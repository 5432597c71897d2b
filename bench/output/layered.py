"""The table of single layers: a layer's row of the forward pass and its row with backward side by side."""

from __future__ import annotations

from dataclasses import dataclass

from bench.output.columns import Column, columns
from bench.rows import Row, find


@dataclass
class Layered:
    """A layer's two rows as one."""

    forward: Row
    train: Row

    @property
    def case(self) -> str:
        return self.forward.case

    @property
    def worst(self) -> float | None:
        """How many times PyTorch's time the slower of the two takes."""
        speeds = [find(row, "against.torch.speed") for row in (self.forward, self.train)]
        return None if None in speeds else 1 / min(speeds)

    def noisy(self, rival: str) -> bool:
        return self.forward.noisy(rival) or self.train.noisy(rival)


def layered(rows: list[Row]) -> list[Layered]:
    """The rows of layers, two by two."""
    done = [row for row in rows if row.status == "ok"]
    return [Layered(forward, train) for forward, train in zip(done[::2], done[1::2], strict=True)]


COLUMNS = [
    Column("layer", "case", width=29),
    Column("input", lambda pair: pair.forward.shape.replace(" ", ", "), width=38),
    *[
        column
        for name, title in (("forward", "forward"), ("train", "and backward"))
        for column in (
            *columns(".2f", f"{name}.seconds.median as {title}, ms", f"{name}.against.torch.median as PyTorch",
                     scale=1e3, widths=(18, 9)),
            Column("ratio", f"{name}.against.torch.speed", lambda speed: f"{1 / speed:.2f}", width=7, rival="torch"),
        )
    ],
]  # fmt: skip

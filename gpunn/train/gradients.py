"""How large each layer's gradient was, over the steps of a run: the table behind the picture of vanishing gradients."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

import numpy as np

from gpunn.errors import UsageError
from gpunn.kinds import COUNT, TEXT, array, list_of, record
from gpunn.optim import grad_norm
from gpunn.train.callbacks import Callback
from gpunn.train.history import History
from gpunn.train.readings import Step, read
from gpunn.train.standing import Standing


class LayerGradientLog(Callback):
    """The 2-norm of each layer's weight gradient every `every` steps, in `rows` and, given `path`, a CSV every epoch.

    A row is {"step": 10, "conv1": 0.3, ...}. Layers are the parameters of two or more dimensions (biases and norms go
    with them), in the order of the network; None stands for one without a gradient. Clipped gradients are logged as
    clipped, accumulated ones at the first update that is due. Cost: one pass over the gradients and one read from the
    device, each time. Without `path` each checkpoint carries the rows.
    """

    tells = True
    STATE = record({"columns": list_of(TEXT), "values": array("f")}, {"written": COUNT})

    def __init__(self, path: str | os.PathLike | None = None, every: int = 10):
        if every < 1:
            raise UsageError(f"LayerGradientLog: every must be >= 1, got {every}")
        self.path, self.every = path, every
        self.history = History()

    @property
    def rows(self) -> list[dict[str, Any]]:
        return self.history.rows

    def on_batch_end(self, trainer: Standing) -> None:
        # The first step counts: there the weights are still as drawn. Of accumulated batches the update does.
        last = (self.rows[-1]["step"] - 1) // self.every if self.rows else -1
        if not trainer.updated or (trainer.steps - 1) // self.every == last:
            return
        weights = {name: p for name, p in trainer.model.named_parameters() if p.ndim > 1}
        norms = Step({name: grad_norm(p) for name, p in weights.items() if p.gradient is not None}, 1)
        read([norms])  # of all layers at once
        self.history.append({"step": trainer.steps, **{_layer(name): norms.values.get(name) for name in weights}})

    def on_epoch_end(self, trainer: Standing) -> None:
        if self.path is not None and self.rows:
            self.history.keep_csv(self.path, list(self.rows[0]))

    def state_dict(self) -> dict[str, Any]:
        # As one array: names beside every number would outweigh the weights of a small network.
        state = self.history.state_dict(self.path)
        columns = list(self.rows[0]) if self.rows else []
        values = [[np.nan if row[name] is None else row[name] for name in columns] for row in state["rows"]]
        array = np.array(values, np.float64).reshape(len(values), len(columns))
        return {"written": state["written"], "columns": columns, "values": array}

    def load_state_dict(self, saved: Mapping[str, Any]) -> None:
        rows = [dict(zip(saved["columns"], _row(values), strict=True)) for values in saved["values"].tolist()]
        self.history = History.resumed({"written": saved.get("written", 0), "rows": rows}, self.path)


def _row(values: list[float]) -> list:
    return [int(values[0]), *(None if np.isnan(value) else value for value in values[1:])]


def _layer(name: str) -> str:
    return name.removesuffix(".weight")

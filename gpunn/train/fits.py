"""Whether a checkpoint fits the run that is to go on from it: checked before anything is changed."""

from __future__ import annotations

from collections.abc import Mapping
from copy import copy
from numbers import Integral
from pathlib import Path
from typing import Any

from gpunn import limits
from gpunn.asked import PRECISIONS
from gpunn.errors import CheckpointError
from gpunn.kinds import (
    COUNT,
    NUMBER,
    SWITCH,
    TEXT,
    Kind,
    array,
    checked,
    choice,
    either,
    list_of,
    maybe,
    record,
    table_of,
    whole,
)
from gpunn.train.checkpoint import check_weights, weights_in
from gpunn.train.history import STATE, VALUE
from gpunn.train.loss_scale import FIELDS
from gpunn.train.standing import Standing

WORD = Kind("a number, a word or none", lambda v: v is None or isinstance(v, (bool, int, float, str)))
EMA_SWITCHES = {"use_buffers": SWITCH, "warmup": SWITCH}
MEAN = either(VALUE.words, VALUE, array("f", (None,), finite=True))  # a number a class, of means over classes
KNOWN = {
    "optimizer": record({"name": TEXT}),
    "schedule": maybe(record({"name": TEXT})),
    "random": record({name: whole() for name in ("seed", "stream", "counter")}),
    "position": record({"epoch": COUNT, "batch": COUNT, "steps": whole(0, limits.STEPS)}),
    "running": record({"count": whole(0), "seconds": VALUE, "sums": table_of(MEAN)}, {"counts": table_of(MEAN)}),
    "history": STATE,
    "loader": record(dict.fromkeys(("seed", "batches", "batch_size", "samples", "shuffle"), WORD)),  # a program's own
    "callbacks": table_of(record({})),
}
LATER = {  # checkpoints of before there were these lack them
    "ranks": list_of(COUNT),
    "accumulation": maybe(record({"batches": COUNT, "samples": NUMBER, "sums": list_of(maybe(array()))})),
    "precision": choice(*PRECISIONS),
    "loss_scale": maybe(record(dict.fromkeys(FIELDS, NUMBER))),
    "ema": maybe(record({"decay": NUMBER, "updates": COUNT, "average": table_of(array()), **EMA_SWITCHES})),
}


def check_state(trainer: Standing, state: Mapping[str, Any], path: Path) -> None:
    """CheckpointError for a checkpoint that is damaged inside, or of another model, optimiser, schedule or average."""
    check_tree(record(KNOWN, LATER), state, str(path))
    check_weights(trainer.model, weights_in(state, f"resume: {path}"), path)
    _check_names(trainer, state, path)
    _check_arrays(trainer, state, path)


def check_tree(kind: Kind, state: Any, where: str) -> None:
    """CheckpointError for the first place of a saved state that is not what it must be."""
    checked(kind, state, CheckpointError, f"resume: {where}", "take another checkpoint of the run")


def _check_names(trainer: Standing, state: Mapping[str, Any], path: Path) -> None:
    name, saved = type(trainer.optimizer).__name__, state["optimizer"]["name"]
    if name != saved:
        raise CheckpointError(f"resume: {path} was saved with the optimiser {saved}, this run has {name}; use {saved}")
    ours = None if trainer.schedule is None else type(trainer.schedule).__name__
    theirs = None if state["schedule"] is None else state["schedule"]["name"]
    if ours != theirs:
        raise CheckpointError(
            f"resume: {path} was saved with {theirs or 'no schedule'}, this run has {ours or 'no schedule'}; "
            "use the same schedule"
        )
    if (trainer.ema is None) != (state.get("ema") is None):
        was = "without an average of the weights" if trainer.ema else "with an average of the weights (ema)"
        raise CheckpointError(
            f"resume: {path} was saved {was}, this run is not; {'leave ema away' if trainer.ema else 'pass ema=EMA()'}"
        )


def _check_arrays(trainer: Standing, state: Mapping[str, Any], path: Path) -> None:
    try:
        trainer.optimizer.check_state_dict(state["optimizer"])
        if trainer.schedule is not None:
            copy(trainer.schedule).load_state_dict(state["schedule"])
    except (ValueError, TypeError) as error:
        raise CheckpointError(f"resume: {path} does not fit: {error}") from error
    if trainer.ema is not None and state["ema"]["updates"]:
        check_weights(trainer.model, state["ema"]["average"], path, "resume: the averaged weights")
    shapes = [p.shape for p in trainer.optimizer.parameters()]
    sums = (state.get("accumulation") or {}).get("sums", [])
    if sums and [s if a is None else a.shape for s, a in zip(shapes, sums, strict=False)] != shapes:
        raise CheckpointError(
            f"resume: {path} has sums of gradients of other shapes than the parameters'; "
            "take another checkpoint of the run"
        )


def check_loader(ours: Mapping[str, Any], state: Mapping[str, Any], path: Path) -> None:
    """A position within an epoch means something only for batches of the same size of as many samples."""
    theirs, batch = state["loader"], state["position"]["batch"]
    if isinstance(ours["seed"], Integral):
        check_tree(whole(0), theirs["seed"], f"{path}: loader.seed")
    changed = [
        f"{key} {theirs[key]} then, {ours[key]} now"
        for key in ("batches", "batch_size", "samples", "shuffle")
        if theirs[key] != ours[key]
    ]
    if batch and changed:
        raise CheckpointError(
            f"resume: {path} was saved within epoch {state['position']['epoch'] + 1}, after batch {batch}, and the "
            f"training loader is another one ({'; '.join(changed)}); use the same data and batch size"
        )

"""The whole state of a run as a tree for a checkpoint, and back: enough that a resumed run is bitwise the same run."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from gpunn import random
from gpunn.errors import CheckpointError
from gpunn.nn.state import copied
from gpunn.text import plain
from gpunn.train.agreement import counters
from gpunn.train.batches import loader_state
from gpunn.train.checkpoint import checkpoint_path, load_checkpoint
from gpunn.train.fits import check_loader, check_state, check_tree
from gpunn.train.history import History
from gpunn.train.metrics import Running
from gpunn.train.ranks import together, use_own_numbers
from gpunn.train.standing import Standing

TABLE = "history.csv"  # beside a checkpoint
WHOLE = ("model", "optimizer", "schedule", "random", "position", "running", "history", "loader", "callbacks")


def capture(trainer: Standing, table: Path) -> dict[str, Any]:
    """Everything that the next step depends on; of the history what does not stand in `table` already.

    All ranks ask for it, and rank 0's is saved.
    """
    schedule = trainer.schedule
    return {
        "info": trainer.info,
        "model": copied(trainer.model),
        "optimizer": {"name": type(trainer.optimizer).__name__, **trainer.optimizer.state_dict()},
        "schedule": None if schedule is None else schedule.state_dict(),
        "random": random.get_state(),
        "position": {"epoch": trainer.epoch, "batch": trainer.batch, "steps": trainer.steps},
        "accumulation": trainer.accumulation.state_dict(),
        "precision": trainer.precision_name(),
        "loss_scale": trainer.loss_scale.state_dict(),
        "ema": None if trainer.ema is None else trainer.ema.state_dict(),
        "ranks": counters(trainer.group),
        "running": together(trainer.running, trainer.group).state_dict(),
        "history": trainer.history.state_dict(table),
        "loader": loader_state(trainer.train_loader),
        "callbacks": {name: callback.state_dict() for name, callback in _named(trainer.callbacks)},
    }


def restore(trainer: Standing, path: str | os.PathLike) -> None:
    """Bring the trainer to where the checkpoint was taken; CheckpointError, nothing changed, if it is another.

    Options travel with the checkpoint: learning rate, schedule and the loader's seed are those of the saved run.
    Callbacks that the checkpoint does not know start anew.
    """
    path = checkpoint_path(path)
    state = load_checkpoint(path)
    lacking = [key for key in WHOLE if key not in state]
    if lacking:
        raise CheckpointError(
            f"resume: {path} lacks the run's {', '.join(lacking)}; resume from the run's checkpoint.npz, "
            "or load the weights with train.load_weights and start anew"
        )
    check_state(trainer, state, path)
    check_loader(loader_state(trainer.train_loader), state, path)
    for name, callback in _named(trainer.callbacks):
        if callback.STATE is not None and state["callbacks"].get(name):
            check_tree(callback.STATE, state["callbacks"][name], f"{path}: callbacks.{name}")

    trainer.model.load_state_dict(state["model"])
    trainer.optimizer.load_state_dict(state["optimizer"])
    if trainer.schedule is not None:
        trainer.schedule.load_state_dict(state["schedule"])
    if state.get("accumulation"):
        trainer.accumulation.load_state_dict(state["accumulation"], trainer.optimizer.parameters())
    if state.get("loss_scale"):
        trainer.loss_scale.load_state_dict(state["loss_scale"])
    if trainer.ema is not None:
        trainer.ema.load_state_dict(state["ema"], trainer.model)
    random.set_state(state["random"])
    trainer.epoch, trainer.batch, trainer.steps = (state["position"][key] for key in ("epoch", "batch", "steps"))
    use_own_numbers(trainer.group, state.get("ranks", ()))
    trainer.running = Running()
    if trainer.writes:  # what all ranks have measured is counted once
        trainer.running.load_state_dict(state["running"])
    trainer.history = History.resumed(state["history"], path.with_name(TABLE))
    if hasattr(trainer.train_loader, "seed"):
        trainer.train_loader.seed = state["loader"]["seed"]
    for name, callback in _named(trainer.callbacks):
        if name in state["callbacks"]:
            try:
                callback.load_state_dict(state["callbacks"][name])
            except (TypeError, ValueError, LookupError, AttributeError) as error:  # whatever a program's own leads to
                raise CheckpointError(
                    f"resume: {path}: callbacks.{name} does not fit ({plain(str(error))}); "
                    "take another checkpoint of the run"
                ) from error
    trainer.between_steps, trainer.resumed_from = True, path.resolve()
    trainer.last_saved = f"{path} ({trainer.position()})"


def _named(callbacks) -> Iterator[tuple[str, Any]]:
    """Each callback under its class's name; a second one of a class is "Name 2"."""
    seen: dict[str, int] = {}
    for callback in callbacks:
        name = type(callback).__name__
        seen[name] = seen.get(name, 0) + 1
        yield (name if seen[name] == 1 else f"{name} {seen[name]}"), callback

"""Training: the loop, callbacks, metrics, checkpoints that resume exactly."""

from gpunn.train.callbacks import Callback, EarlyStopping, GradientNormLog, HistoryFiles
from gpunn.train.checkpoint import load_checkpoint, load_weights, save_checkpoint
from gpunn.train.ema import EMA
from gpunn.train.ensemble import Ensemble, MirrorAveraged, count_votes
from gpunn.train.gradients import LayerGradientLog
from gpunn.train.history import History
from gpunn.train.metrics import accuracy, top_k, top_k_accuracy
from gpunn.train.plots import draw_curves
from gpunn.train.predict import predict
from gpunn.train.progress import ProgressBar
from gpunn.train.saving import Checkpoint, new_run_folder
from gpunn.train.trainer import Trainer

__all__ = [
    "EMA",
    "Callback",
    "Checkpoint",
    "EarlyStopping",
    "Ensemble",
    "GradientNormLog",
    "History",
    "HistoryFiles",
    "LayerGradientLog",
    "MirrorAveraged",
    "ProgressBar",
    "Trainer",
    "accuracy",
    "count_votes",
    "draw_curves",
    "load_checkpoint",
    "load_weights",
    "new_run_folder",
    "predict",
    "save_checkpoint",
    "top_k",
    "top_k_accuracy",
]

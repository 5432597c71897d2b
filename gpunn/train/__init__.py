"""Training: the loop, callbacks, metrics, checkpoints that resume exactly."""

from gpunn.train.callbacks import Callback as Callback
from gpunn.train.callbacks import EarlyStopping as EarlyStopping
from gpunn.train.callbacks import GradientNormLog as GradientNormLog
from gpunn.train.callbacks import HistoryFiles as HistoryFiles
from gpunn.train.captured import CapturedStep as CapturedStep
from gpunn.train.captured import StepLoss as StepLoss
from gpunn.train.checkpoint import load_checkpoint as load_checkpoint
from gpunn.train.checkpoint import load_weights as load_weights
from gpunn.train.checkpoint import save_checkpoint as save_checkpoint
from gpunn.train.ema import EMA as EMA
from gpunn.train.ensemble import Ensemble as Ensemble
from gpunn.train.ensemble import MirrorAveraged as MirrorAveraged
from gpunn.train.ensemble import count_votes as count_votes
from gpunn.train.gradients import LayerGradientLog as LayerGradientLog
from gpunn.train.history import History as History
from gpunn.train.lock import alone_in as alone_in
from gpunn.train.metrics import accuracy as accuracy
from gpunn.train.metrics import top_k as top_k
from gpunn.train.metrics import top_k_accuracy as top_k_accuracy
from gpunn.train.plots import draw_curves as draw_curves
from gpunn.train.predict import predict as predict
from gpunn.train.progress import ProgressBar as ProgressBar
from gpunn.train.saving import Checkpoint as Checkpoint
from gpunn.train.saving import has_begun as has_begun
from gpunn.train.saving import new_run_folder as new_run_folder
from gpunn.train.trainer import Trainer as Trainer

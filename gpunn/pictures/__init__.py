"""Pictures of training and of what a network has learnt; they need matplotlib, the extra `plot`.

Each function returns a matplotlib Figure; `png(figure)` gives its bytes, `save(figure, path)` writes them.
"""

from gpunn.pictures.canvas import NothingToDraw, png, save
from gpunn.pictures.curves import gradient_norms, learning_curves
from gpunn.pictures.layers import feature_maps, first_filters
from gpunn.pictures.mistakes import confusion_counts, confusion_matrix, worst_mistakes

__all__ = [
    "NothingToDraw",
    "confusion_counts",
    "confusion_matrix",
    "feature_maps",
    "first_filters",
    "gradient_norms",
    "learning_curves",
    "png",
    "save",
    "worst_mistakes",
]

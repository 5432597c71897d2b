"""Pictures of training and of what a network has learnt; they need matplotlib, the extra `plot`.

Each function returns a matplotlib Figure; `png(figure)` gives its bytes, `save(figure, path)` writes them.
"""

from gpunn.pictures.canvas import NothingToDraw as NothingToDraw
from gpunn.pictures.canvas import png as png
from gpunn.pictures.canvas import save as save
from gpunn.pictures.curves import gradient_norms as gradient_norms
from gpunn.pictures.curves import learning_curves as learning_curves
from gpunn.pictures.layers import feature_maps as feature_maps
from gpunn.pictures.layers import first_filters as first_filters
from gpunn.pictures.mistakes import confusion_counts as confusion_counts
from gpunn.pictures.mistakes import confusion_matrix as confusion_matrix
from gpunn.pictures.mistakes import worst_mistakes as worst_mistakes

"""Pictures of training and of what a network has learnt; they need matplotlib, the extra `plot`.

Each function returns a matplotlib Figure, or draws in the axes that it is given; `new_figure` makes an empty one,
`png(figure)` gives its bytes, `save(figure, path)` writes them.
"""

from gpunn.pictures.canvas import NothingToDraw as NothingToDraw
from gpunn.pictures.canvas import new_figure as new_figure
from gpunn.pictures.canvas import png as png
from gpunn.pictures.canvas import save as save
from gpunn.pictures.curves import gradient_norms as gradient_norms
from gpunn.pictures.curves import learning_curves as learning_curves
from gpunn.pictures.layers import feature_maps as feature_maps
from gpunn.pictures.layers import first_filters as first_filters
from gpunn.pictures.mistakes import confusion_counts as confusion_counts
from gpunn.pictures.mistakes import confusion_matrix as confusion_matrix
from gpunn.pictures.mistakes import worst_mistakes as worst_mistakes
from gpunn.pictures.overlays import class_colours as class_colours
from gpunn.pictures.overlays import overlay as overlay
from gpunn.pictures.overlays import overlays as overlays
from gpunn.pictures.plane import decision_regions as decision_regions
from gpunn.pictures.plane import labelled_points as labelled_points
from gpunn.pictures.reconstructions import latent_map as latent_map
from gpunn.pictures.reconstructions import latent_plane as latent_plane
from gpunn.pictures.reconstructions import reconstructions as reconstructions
from gpunn.pictures.saliency import saliency as saliency
from gpunn.pictures.saliency import saliency_maps as saliency_maps

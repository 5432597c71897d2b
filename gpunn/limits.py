"""The largest sizes and counts that a file or an option is believed to mean; beyond them it is refused in one line.

Each is some times the largest that is known to be of use. Files that say how long they are have their own length for a
limit as well: nothing is allocated by a number that the file's bytes do not bear out.
"""

from __future__ import annotations

CLASSES = 100_000  # ImageNet-21k has 21,841
CHANNELS = 1024  # colour images have 3
IMAGE_SIDE = 1024  # pixels; networks here take up to 299
SHIFT = 256  # pixels that a training image is moved by; usual are 4
PIXELS = 40_000_000  # of one picture: 7000 x 5700, 0.16 GB once decoded
PARAMETERS = 500_000_000  # of a network: VGG-16 has 138 million; 2 GB in float32
LAYERS = 1000  # hidden layers of an mlp
MEMBERS = 1000  # networks of an ensemble
DIGITS = 1_000_000  # images generated; 0.8 GB
COUNT = 10**9  # epochs, batches, images, steps of a schedule
SEED = 2**63 - 1
STEPS = 10**15  # of a run
DEPTH = 64  # tables within tables
RECIPE_BYTES = 1 << 16  # recipes that ship have under 1 KB
CONFIG_BYTES = 1 << 24  # config.json with 100,000 class names has 3 MB
TREE_BYTES = 1 << 28  # the tree of a checkpoint without its arrays: 100,000 epochs of history are 30 MB
TABLE_BYTES = 1 << 28  # history.csv, gradients.csv: 100,000 epochs are 10 MB
PATH = 4200  # characters of a data set's name with its path, of which Linux takes 4,096
NAME = 1000  # characters of a class name, a file name, a key
RESULTS_BYTES = 1 << 26  # a file of bench results has up to 1 MB
ARCHIVE_BYTES = 1 << 30  # what an archive or gzip'ed file of a data set may unpack to: CIFAR has 184 MB
THREADS = 1024

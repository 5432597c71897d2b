"""`gpunn verify`: every variant of every kernel on every case of the shape table, against plain loops."""

from gpunn.verify.run import Row as Row
from gpunn.verify.run import Wish as Wish
from gpunn.verify.run import allowed as allowed
from gpunn.verify.run import check as check
from gpunn.verify.run import check_variant as check_variant
from gpunn.verify.run import compare as compare
from gpunn.verify.run import main as main
from gpunn.verify.run import table as table
from gpunn.verify.run import verify as verify
from gpunn.verify.tasks import numpy_dtype as numpy_dtype
from gpunn.verify.tasks import tasks as tasks

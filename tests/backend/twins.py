"""For the type checker alone: both backends are what gpunn/backend/contract says, name by name and type by type."""

import gpunn.cpu
import gpunn.cuda
from gpunn.backend.contract import Twins

cpu: Twins = gpunn.cpu
cuda: Twins = gpunn.cuda

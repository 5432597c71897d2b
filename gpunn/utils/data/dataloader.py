"""PyTorch's torch.utils.data.dataloader: the loader, and what it makes batches with of gpunn.data under that name."""

from gpunn.data import DataLoader as DataLoader
from gpunn.data import default_collate as default_collate
from gpunn.data import get_worker_info as get_worker_info

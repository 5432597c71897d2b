"""Names of PyTorch that gpunn leaves out, each with what to do instead."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from functools import partial
from typing import NoReturn

from gpunn.errors import NoAttributeError

EAGER = "networks run as they are, and Trainer and CapturedStep replay a step as one CUDA graph"
COMPLEX = "keep real and imaginary part in two arrays; ops.conv1d to conv3d take complex arrays"
DTYPE = "gpunn has no such numbers; convert to int8, float16 or bfloat16"
SECOND = "gpunn has first derivatives, of gpunn.autograd.grad; write the gradient that you need as ops of its own"
AMP = 'write `with gpunn.precision("bf16"):` around the forward pass; weights and their gradients stay float32'
SPECTRA = "take NumPy's or CuPy's of x.numpy(), which records no gradient"
NAMES = {
    "jit": f"leave torch.jit.script and trace out: {EAGER}",
    "compile": f"leave it out: {EAGER}",
    "compiler": f"leave it out: {EAGER}",
    "fx": f"nothing traces a network; {EAGER}",
    "export": "gpunn.models.save_safetensors and gpunn.save write the weights; build the network where it is to run",
    "onnx": "gpunn.models.save_safetensors and gpunn.save write the weights; build the network where it is to run",
    "func": SECOND,
    "vmap": "write the batch as a dimension, which every op takes",
    "distributed": "gpunn.dist has its collectives, DistributedDataParallel and launcher",
    "multiprocessing": "DataLoader(num_workers=...) makes batches in other processes",
    "sparse": "arrays are dense; nn.Embedding's gradient is, too",
    "sparse_coo_tensor": "arrays are dense: make one of the values' shape with zeros and put them there",
    "sparse_csr_tensor": "arrays are dense: make one of the values' shape with zeros and put them there",
    "quantization": f"there is none; {AMP}",
    "ao": f"there is no quantisation; {AMP}",
    "quantize_per_tensor": f"there is no quantisation; {AMP}",
    "autocast": AMP,
    "amp": AMP,
    "GradScaler": 'gpunn.train.Trainer(precision="fp16") scales losses; bf16 needs no scaling',
    "complex64": COMPLEX,
    "complex128": COMPLEX,
    "cfloat": COMPLEX,
    "cdouble": COMPLEX,
    "complex": COMPLEX,
    "polar": COMPLEX,
    "view_as_complex": COMPLEX,
    "view_as_real": COMPLEX,
    "qint8": DTYPE,
    "quint8": DTYPE,
    "qint32": DTYPE,
    "float8_e4m3fn": DTYPE,
    "float8_e5m2": DTYPE,
    "set_default_tensor_type": "call gpunn.set_default_dtype and gpunn.set_default_device",
    "fft": SPECTRA,
    "stft": SPECTRA,
    "istft": SPECTRA,
    "special": "the functions that gpunn has are at its top: gpunn.erf, gpunn.expm1",
    "distributions": "gpunn.normal, bernoulli and multinomial draw; write the log-probability as ops",
    "hub": "build the network, and read its weights with gpunn.load",
    "nested": "pad to one length, and pass a mask",
    "masked": "multiply by the mask, or use gpunn.where",
    "profiler": "`gpunn kernels --trace NETWORK` lists launches; Nsight Systems times them",
    "set_num_threads": "set OMP_NUM_THREADS before Python starts: NumPy's BLAS has its own threads",
    "get_num_threads": "NumPy's BLAS has its own threads: threadpoolctl tells of them",
    "set_printoptions": "pass x.numpy() to numpy.printoptions' block",
    "svd": "take numpy.linalg.svd of x.numpy(), which records no gradient",
    "qr": "take numpy.linalg.qr of x.numpy(), which records no gradient",
    "cholesky": "take numpy.linalg.cholesky of x.numpy(), which records no gradient",
    "inverse": "take numpy.linalg.inv of x.numpy(), which records no gradient",
    "det": "take numpy.linalg.det of x.numpy(), which records no gradient",
    "xpu": "devices are 'cpu', 'cuda' and 'emulator'",
    "mps": "devices are 'cpu', 'cuda' and 'emulator'",
}
OF_NN = {
    "parallel": "gpunn.dist has DistributedDataParallel",
    "DataParallel": "gpunn.dist.DataParallel is PyTorch's DistributedDataParallel, of ranks that `gpunn launch` starts",
    "quantized": NAMES["quantization"],
    "EmbeddingBag": "sum or average what nn.Embedding gives",
    "AdaptiveLogSoftmaxWithLoss": "use nn.Linear and nn.CrossEntropyLoss",
}
OF_NN_UTILS = {
    "weight_norm": "write weight = g * v / v.norm() in forward",
    "spectral_norm": "keep the largest singular value of weight near 1 in forward, by a step of power iteration",
    "parametrize": "compute the weight from its parameters in forward",
    "parametrizations": "compute the weight from its parameters in forward",
    "prune": "multiply weights by masks under no_grad, after each step",
    "stateless": SECOND,
}
OF_UTILS = {
    "tensorboard": "Trainer writes history.csv and curves.png, and `gpunn report` a page of both",
    "checkpoint": "fewer activations are kept by smaller batches, with Trainer(accumulate=...) for the same step",
    "cpp_extension": "kernels are .cu files of their own: see kernels/README.md",
    "mobile_optimizer": NAMES["jit"],
}
OF_OPTIM = {
    "SparseAdam": "gradients are dense, nn.Embedding's, too: use Adam",
    "Adafactor": "use AdamW, whose states are two arrays a parameter",
}
OF_CUDA = {
    "amp": AMP,
    "Stream": "gpunn launches on CuPy's current stream: `with cupy.cuda.Stream():`",
    "Event": "take cupy.cuda.Event",
    "nvtx": "take cupyx.profiler.time_range",
    "set_device": 'write `with gpunn.device("cuda:1"):`, or gpunn.set_default_device',
}
OF_AUTOGRAD = {
    "functional": SECOND,
    "forward_ad": SECOND,
    "profiler": NAMES["profiler"],
    "set_detect_anomaly": "gpunn.train.Trainer names the first loss or weight that is not finite",
    "detect_anomaly": "gpunn.train.Trainer names the first loss or weight that is not finite",
}
DENSE = "arrays are dense"
MEMORY = "x.array is NumPy's or CuPy's array of this memory"
QUANTISED = "there is no quantisation; x.to('int8') keeps whole numbers in 8 bits"
OF_TENSOR = {
    "data_ptr": f"{MEMORY}: x.array.ctypes.data on the CPU, x.array.data.ptr on a GPU",
    "storage": MEMORY,
    "untyped_storage": MEMORY,
    "storage_offset": MEMORY,
    "set_": "assign x.data = other",
    "resize_": "make a new one with gpunn.zeros, or x.reshape",
    "grad_fn": "x.requires_grad and x.is_leaf tell whether it was computed; the graph itself is not shown",
    "retains_grad": "x.register_hook sees the gradient of a computed value",
    "output_nr": "the graph is not shown",
    "layout": f"{DENSE}; x.array.strides tells their order in memory",
    "is_sparse": f"{DENSE}: leave it out",
    "is_sparse_csr": f"{DENSE}: leave it out",
    "to_sparse": f"{DENSE}; multiply by a mask",
    "to_sparse_csr": f"{DENSE}; multiply by a mask",
    "to_dense": f"{DENSE}: leave it out",
    "coalesce": f"{DENSE}: leave it out",
    "is_quantized": f"{QUANTISED}",
    "dequantize": f"{QUANTISED}",
    "int_repr": f"{QUANTISED}",
    "apply_": "write it as ops, or gpunn.from_numpy(np.vectorize(f)(x.numpy()))",
    "map_": "write it as ops, or gpunn.from_numpy(np.vectorize(f)(x.numpy(), y.numpy()))",
    "cfloat": COMPLEX,
    "cdouble": COMPLEX,
    "imag": COMPLEX,
    "is_pinned": "DataLoader(pin_memory=True) stages batches in pinned memory itself",
    "pin_memory": "DataLoader(pin_memory=True) stages batches in pinned memory itself",
    "share_memory_": "DataLoader's workers share their batches' memory themselves",
    "is_shared": "DataLoader's workers share their batches' memory themselves",
    "get_device": "x.device tells it: x.device.index",
    "is_mps": NAMES["mps"],
    "is_xpu": NAMES["xpu"],
    "xpu": NAMES["xpu"],
    "is_meta": "every Tensor has memory: leave it out",
    "is_nested": NAMES["nested"],
    "to_mkldnn": "NumPy's BLAS and gpunn.cpu compute; leave it out",
    "record_stream": OF_CUDA["Stream"],
    "cholesky": NAMES["cholesky"],
    "svd": NAMES["svd"],
    "qr": NAMES["qr"],
    "inverse": NAMES["inverse"],
    "det": NAMES["det"],
    "new": "x.new_zeros, new_ones, new_full and new_tensor make ones of its dtype and device",
}
OF_MODULE = {
    "compile": f"leave it out: {EAGER}",
    "share_memory": "one process trains: leave it out",
    "to_empty": "every parameter has memory: use .to(device)",
    "xpu": NAMES["xpu"],
    "register_backward_hook": "hooks of forward see values, and Tensor.register_hook their gradients",
    "register_full_backward_pre_hook": "hooks of forward see values, and Tensor.register_hook their gradients",
    "register_state_dict_pre_hook": "change what state_dict() gives",
    "register_state_dict_post_hook": "change what state_dict() gives",
    "register_load_state_dict_pre_hook": "change the dict before load_state_dict(dict)",
    "register_load_state_dict_post_hook": "call it after load_state_dict(dict)",
    "get_extra_state": "keep it in a buffer: register_buffer",
    "set_extra_state": "keep it in a buffer: register_buffer",
}
WITH_INDICES = "pass return_indices=True"
OF_FUNCTIONAL = {
    "adaptive_max_pool1d_with_indices": f"call adaptive_max_pool1d and {WITH_INDICES}",
    "adaptive_max_pool2d_with_indices": f"call adaptive_max_pool2d and {WITH_INDICES}",
    "max_pool1d_with_indices": f"call max_pool1d and {WITH_INDICES}",
    "max_pool2d_with_indices": f"call max_pool2d and {WITH_INDICES}",
    "upsample_bilinear": "call interpolate(x, mode='bilinear', align_corners=True)",
    "upsample_nearest": "call interpolate(x, mode='nearest')",
    "multi_head_attention_forward": "call nn.MultiheadAttention, or scaled_dot_product_attention of the heads",
}
OBJECTS = "gpunn.dist.current().exchange(value) gives what JSON holds of all ranks, in their order"
OF_DIST = {
    "gather": "all_gather gives all ranks what gather gives one",
    "scatter": "broadcast the whole, and take this rank's part",
    "reduce": "all_reduce gives all ranks what reduce gives one",
    "all_to_all": "all_gather, and take what is for this rank",
    **dict.fromkeys(["send", "recv", "isend", "irecv"], "ranks do together what they do: broadcast from one to all"),
    "all_gather_object": OBJECTS,
    "gather_object": OBJECTS,
    "broadcast_object_list": OBJECTS,
    "new_group": "all ranks are one group",
    "get_backend": "gpunn.dist.current().kind is 'nccl', 'mpi' or 'alone'",
    **dict.fromkeys(
        ["is_gloo_available", "is_mpi_available", "is_nccl_available"], "`gpunn doctor` names what is missing"
    ),
    "get_process_group_ranks": "range(gpunn.dist.get_world_size()): all ranks are one group",
    "monitored_barrier": "barrier names the ranks that have not come within dist.init's time limit",
}
OF_DATA = {
    "IterDataPipe": "write an IterableDataset",
    "MapDataPipe": "write a Dataset",
}


def answer(module: str, name: str, left_out: dict[str, str]) -> str:
    """The words for a name that a module leaves out; "" for one that PyTorch has not either.

    Examples:
        >>> left_out.answer("gpunn", "vmap", left_out.NAMES)
        "gpunn has no 'vmap', which PyTorch has: write the batch as a dimension, which every op takes"
    """
    return f"{module} has no {name!r}, which PyTorch has: {left_out[name]}" if name in left_out else ""


def refuse(module: str, left_out: dict[str, str], name: str) -> NoReturn:
    """AttributeError for a name that a module has not: what it is here, or the nearest that there is."""
    raise lacking(module, name, left_out, lambda: dir(sys.modules[module]), f"module {module!r}")


def refusing(module: str, left_out: dict[str, str] | None = None) -> partial[NoReturn]:
    """A module's __getattr__ that knows no name but what is left out; no function, so that type checkers look on."""
    return partial(refuse, module, left_out or {})


def lacking(
    owner: str, name: str, left_out: dict[str, str], known: Callable[[], Iterable[str]], what: str = ""
) -> AttributeError:
    """The error for a name that the owner has not.

    >>> str(left_out.lacking("Tensor", "astypes", {}, lambda: ["astype", "size"]))
    "Tensor has no attribute 'astypes'; did you mean 'astype'?"
    """
    if words := answer(owner, name, left_out):
        return AttributeError(words, name=name)
    return NoAttributeError(what or owner, name, known)

"""DataParallel: one network on several ranks, each with its part of every batch."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Any, TypeAlias

from gpunn.backend import Array, Device, device, device_of, is_array
from gpunn.dist.alike import check_alike, share
from gpunn.dist.averaging import Averaging
from gpunn.dist.joining import joining
from gpunn.engine.autograd import is_grad_enabled
from gpunn.engine.tensor import Tensor
from gpunn.errors import DistError
from gpunn.nn import Module
from gpunn.nn.state import Keys
from gpunn.optim import Optimizer
from gpunn.ranks.given import check_place
from gpunn.ranks.group import Group, current
from gpunn.ranks.start import check_joined

Named: TypeAlias = str | int | Device  # a device; an int is a GPU's number


class DataParallel(Module):
    """A network whose `loss.backward()` leaves the mean over all ranks in `.grad`: PyTorch's DistributedDataParallel.

    All ranks build the same network with the same seed, wrap it, and do the same steps, each with batches of its own.
    Rank 0's parameters and buffers are what all begin with. Gradients are summed while backward runs, and averaged over
    samples, not ranks: a rank's gradient weighs as many as the first input of `forward` is long, or what `weight=`
    says, which `forward` takes beside the network's own arguments; of several forwards in one backward, their mean. A
    rank that leaves some parameters out, or has an empty batch, takes part with zeros. Of one rank it is the network
    itself, and costs nothing.

    Args:
        module: the network, of which all parameters that learn are averaged.
        device_ids, output_device: PyTorch's; the device on which the network is, or None.
        dim: 0.
        broadcast_buffers: before each forward that learns all ranks get rank 0's buffers.
        init_sync: compare the ranks' networks and seeds, and give all rank 0's parameters and buffers.
        process_group: the ranks; None: those that `dist.init` joined.
        bucket_cap_mb: MiB of gradients that are summed together.
        find_unused_parameters, static_graph: PyTorch's, without effect: unused parameters are found at no cost.
        gradient_as_bucket_view: leave the gradients where they were summed, which saves a copy of them; the next
            backward overwrites them.
        ordered: whether sums are taken in rank order, which has the bits of one process; None: on `cpu`.

    Raises:
        DistError: ranks whose networks or seeds differ, with who and in what; a network on another kind of device than
            the ranks were joined for; ranks that were started and not joined.

    Examples:
        >>> model = gpunn.dist.DataParallel(nn.Linear(3, 2))
        >>> optimizer = gpunn.optim.SGD(model.parameters(), lr=0.1)
        >>> model(np.ones((4, 3), np.float32)).sum().backward()
        >>> optimizer.step()
        >>> list(model.state_dict()), list(model.module.state_dict())
        (['module.weight', 'module.bias'], ['weight', 'bias'])
    """

    module: Module

    def __init__(
        self,
        module: Module,
        device_ids: Sequence[Named] | None = None,
        output_device: Named | None = None,
        dim: int = 0,
        broadcast_buffers: bool = True,
        init_sync: bool = True,
        process_group: Group | None = None,
        bucket_cap_mb: float | None = 25,
        find_unused_parameters: bool = False,
        gradient_as_bucket_view: bool = False,
        static_graph: bool = False,
        *,
        ordered: bool | None = None,
    ):
        super().__init__()
        self.module, self.broadcast_buffers = module, broadcast_buffers
        if process_group is None:
            check_joined("DataParallel")  # else each would learn by itself
        group = current() if process_group is None else process_group
        parameters = [p for p in module.parameters() if p.requires_grad]
        if not parameters:
            raise DistError(f"DataParallel: no parameter of the {type(module).__name__} learns; call the module itself")
        if any(isinstance(layer, DataParallel) for layer in module.modules()):
            raise DistError(
                "DataParallel: the network has a DataParallel inside, which averages already; give its .module"
            )
        if dim != 0 or (bucket_cap_mb is not None and not bucket_cap_mb > 0):
            raise ValueError(f"DataParallel: got dim={dim}, bucket_cap_mb={bucket_cap_mb}; expected 0, and more than 0")
        _check_devices(device_ids, output_device, device_of(parameters[0].array))
        if group.size > 1:
            check_place("DataParallel: the network", group, parameters[0].array)
        if init_sync:
            check_alike("DataParallel", module, group)
            share((t.array for t in (*module.parameters(), *module.buffers())), group)
        size = int((25 if bucket_cap_mb is None else bucket_cap_mb) * (1 << 20))
        self._averaging = Averaging(module, group, size, ordered, gradient_as_bucket_view)

    @property
    def process_group(self) -> Group:
        """The ranks."""
        return self._averaging.group

    def forward(self, *args: object, weight: float | Array | None = None, **kwargs: object) -> Tensor:
        averaging = self._averaging
        if averaging.group.size == 1 or not is_grad_enabled():
            return self.module(*args, **kwargs)
        buffers = [b.array for b in self.module.buffers()] if self.broadcast_buffers and self.training else []
        if weight is None:
            found = samples((*args, *kwargs.values()))
            weight = 1 if found is None else found
        with averaging.forward(weight, buffers) as forward:
            y = self.module(*args, **kwargs)
        averaging.after_forward(forward, y)
        return y

    @contextmanager
    def no_sync(self) -> Iterator[None]:
        """A block whose forward passes let backward add gradients up on each rank alone, to be averaged after it.

        Such sums are plain, as PyTorch's; a rank's weighs as its mean batch.

        >>> model = gpunn.dist.DataParallel(nn.Linear(3, 2))
        >>> with model.no_sync():
        ...     model(np.ones((4, 3), np.float32)).sum().backward()
        """
        before, self._averaging.enabled = self._averaging.enabled, False
        try:
            yield
        finally:
            self._averaging.enabled = before

    def join(
        self, *optimizers: Optimizer, enable: bool = True, throw_on_early_termination: bool = False
    ) -> AbstractContextManager[None]:
        """A block in which ranks may have unequal numbers of batches: those that are done take part with zeros.

        At its end all ranks have the parameters and buffers of the ranks that had most, and what their `optimizers`
        keep, which others did not learn.

        Args:
            optimizers: those over the network's parameters.
            enable: False: a block that does nothing.
            throw_on_early_termination: DistError on all ranks as soon as one is done.

        >>> model = gpunn.dist.DataParallel(nn.Linear(3, 2))
        >>> with model.join():
        ...     model(np.ones((4, 3), np.float32)).sum().backward()
        """
        return joining(self._averaging, optimizers, enable, throw_on_early_termination)

    def load_state_dict(self, state_dict: Mapping[str, Any], strict: bool = True, assign: bool = False) -> Keys:
        """As of every Module; takes the state of the network inside, whose keys lack "module.", too."""
        if isinstance(state_dict, Mapping) and not any(str(key).startswith("module.") for key in state_dict):
            state_dict = {f"module.{key}": value for key, value in state_dict.items()}
        return super().load_state_dict(state_dict, strict, assign)


def samples(values: Iterable[object]) -> int | None:
    """How long the first array of some arguments is, which may be in lists, tuples and dicts; None without one."""
    for value in values:
        inside: int | None = None
        if isinstance(value, (tuple, list, Mapping)):
            inside = samples(value.values() if isinstance(value, Mapping) else value)
        elif (isinstance(value, Tensor) or is_array(value)) and value.ndim:
            inside = len(value)
        if inside is not None:
            return inside
    return None


def _check_devices(device_ids: Sequence[Named] | None, output_device: Named | None, where: Device) -> None:
    """DistError where PyTorch's arguments name another device than the network's."""
    for name, given in (("device_ids", device_ids), ("output_device", output_device)):
        one = given[0] if isinstance(given, (list, tuple)) and len(given) == 1 else given
        if one is None:
            continue
        wanted = (
            Device("cuda", one) if isinstance(one, int) else device(one) if isinstance(one, (str, Device)) else None
        )
        if wanted != where:
            raise DistError(
                f"DataParallel: {name} is {given}, but the network is on {where}; move it with model.to first, or "
                f"leave {name} out"
            )


DistributedDataParallel = DataParallel  # PyTorch's name of it; its DataParallel is of one process

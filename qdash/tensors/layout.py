"""How a tensor's values lie in memory: reading them in that order spares copies."""

from torch import Tensor


def in_memory_order(x: Tensor, leading: int = 0) -> Tensor:
    """The same values with all axes but the first `leading` ones sorted by stride, so that flattening is a view.

    x: of any shape and dtype.
    """
    return x if x.is_contiguous() else x.permute(_order(x, leading))


def aligned(x: Tensor, y: Tensor, leading: int = 0) -> tuple[Tensor, Tensor]:
    """Two tensors of one shape, both in the memory order of the first, so that their values still meet."""
    if x.is_contiguous():
        return x, y
    order = _order(x, leading)
    return x.permute(order), y.permute(order)


def _order(x: Tensor, leading: int) -> list[int]:
    stride = x.stride()
    rest = sorted(range(leading, x.dim()), key=lambda axis: (-stride[axis], axis))
    return [*range(leading), *rest]

"""Layers in evaluation: `prepared` keeps the spectra of their kernels between calls."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from torch import nn

from equiconv.nn.layers import CircularConv1d, CircularConv2d, CircularConv3d
from equiconv.nn.preparation import Preparation, activate

__all__ = ["prepared"]


@contextmanager
def prepared(model: nn.Module, *, limit: int = 2**30) -> Iterator[Preparation]:
    """Inside this context the circular convolutions of `model` keep the spectra of their kernels between calls.

    For evaluation: a layer whose kernel is applied in the frequency domain then takes no longer for a large kernel than
    for a small one. Results are those without the context, within the same error bounds.

    **Nothing is ever stale.** Every call compares the weight with a copy of the one that the spectrum was made from, and
    makes the spectrum anew when they differ: after an optimiser's step, a change through `.data`, another parameter, a
    loaded state.

    **When it has no effect**, and layers compute as they do outside: on calls that record gradients (call under
    `torch.no_grad()` or `torch.inference_mode()`), under autocast, in dtypes other than float32 and float64, on devices
    other than the CPU, where a direct convolution is estimated to be faster, and while a model is exported, compiled,
    traced or transformed; a graph made inside holds the same operation as one made outside.

    Parameters
    ----------
    model : a module; its `CircularConv1d`, `CircularConv2d` and `CircularConv3d` at the time of the call, itself included.
    limit : bytes that may be held at most, 1 GiB unless told. A spectrum takes
        `8·∏sizes[:-1]·(sizes[-1] // 2 + 1)·channels·filters / groups` bytes in float32, one for each layer and size of
        its input, and the copy of its weight as many as the weight. What would exceed the limit is not kept.

    Yields a `Preparation`: `len(it)` spectra are held, in `it.nbytes` bytes; `it.clear()` forgets them, as the end of the
    context does. Threads that call `model` meanwhile share it. Contexts may be nested; the innermost one counts.

    Raises `TypeError` where `model` is no module, `ValueError` where it has no circular convolution or `limit` is negative.

    >>> import torch
    >>> layer = CircularConv2d(16, 16, 15, padding="same").eval()
    >>> x = torch.randn(1, 16, 32, 32)
    >>> with prepared(layer) as spectra, torch.no_grad():
    ...     y = layer(x)
    ...     y = layer(x)  # the spectrum is there
    ...     len(spectra), spectra.nbytes
    (1, 1344512)
    """
    if not isinstance(model, nn.Module):
        raise TypeError(f"model must be a torch.nn.Module, got {type(model).__name__}")
    if limit < 0:
        raise ValueError(f"limit must be a number of bytes, at least 0, got {limit}")
    layers = [layer for layer in model.modules() if isinstance(layer, (CircularConv1d, CircularConv2d, CircularConv3d))]
    if not layers:
        raise ValueError(
            f"model must hold a circular convolution, such as equiconv.nn.CircularConv2d, got {type(model).__name__} "
            f"without one; CircularConv2d.from_torch makes one of torch's"
        )
    preparation = Preparation(limit)
    with activate(preparation, layers):
        yield preparation

"""What capture refuses, and how it says so: every error names the argument, what came and what to do."""

from __future__ import annotations

import contextlib
import io
import logging
import sys
import traceback
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import torch
from torch import Tensor
from torch.utils import _pytree as pytree

from equiconv.graph.source import source_of


class CaptureError(ValueError):
    """The model could not be turned into a graph that is known to compute the same function."""


def refuse(model: Any, example: Any) -> None:
    """Name what torch.export would refuse in words of its own inside."""
    if isinstance(model, torch.jit.ScriptModule):
        raise CaptureError(
            "model: is a TorchScript module, which cannot be exported; pass the torch.nn.Module that it was made from"
        )
    if isinstance(model, torch.nn.Module):
        for name, value in [*model.named_parameters(), *model.named_buffers()]:
            if torch.nn.parameter.is_lazy(value):
                raise CaptureError(
                    f"model: its {name} has no shape yet (a lazy module); run the model once on an input first"
                )
    for path, value in pytree.tree_flatten_with_path(example)[0]:
        if isinstance(value, Tensor) and (value.layout is not torch.strided or value.is_quantized):
            kind = "quantized" if value.is_quantized else str(value.layout)
            raise CaptureError(
                f"example: the tensor at {pytree.keystr(path)} is {kind}; pass a dense one (to_dense, dequantize)"
            )


def call(model: Callable[..., Any], args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> list[Tensor]:
    """The tensors that the model returns on the example."""
    copies, named = pytree.tree_map(
        lambda v: v.clone() if isinstance(v, Tensor) else v, (args, dict(kwargs))
    )  # it may write to them
    buffers = dict(model.named_buffers()) if isinstance(model, torch.nn.Module) else {}
    before = {name: value.clone() for name, value in buffers.items()}
    try:
        with torch.no_grad():
            result = model(*copies, **named)
            for name, value in buffers.items():
                if not torch.is_inference(value) and not value.is_meta:
                    value.copy_(before[name])
    except Exception as error:
        shapes = [tuple(v.shape) for v in pytree.tree_leaves((args, kwargs)) if isinstance(v, Tensor)]
        raise CaptureError(
            f"example: the model does not run on it ({type(error).__name__}: {str(error)[:400]}); "
            f"its tensors have the shapes {shapes}: pass an input that the model accepts"
        ) from error
    return [v for v in pytree.tree_leaves(result) if isinstance(v, Tensor)]


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Hold back what torch.export logs and prints about a failure that our own error reports."""
    log = logging.getLogger("torch.fx.experimental.symbolic_shapes")
    level = log.level
    said = io.StringIO()
    log.setLevel(logging.CRITICAL)
    try:
        with contextlib.redirect_stderr(said):
            yield
        sys.stderr.write(said.getvalue())
    finally:
        log.setLevel(level)


def explain(error: Exception) -> str:
    """What export's refusal means for the user: the line that it blames and what to do."""
    text = str(error)
    line = source_of("".join(traceback.format_tb(error.__traceback__)))
    head = next((row.strip() for row in text.splitlines() if row.strip()), type(error).__name__)
    where = f" at {line}" if line else ""
    dependent = "data-dependent" in text or "GuardOnDataDependent" in type(error).__name__
    reason = "its control flow depends on the data" if dependent else "torch.export refused it"
    remedy = (
        "replace the branch by torch.where or torch.cond, or certify"
        if dependent
        else "change that operation, or certify"
    )
    return (
        f"model: cannot be captured as a graph, because {reason}{where}: {type(error).__name__}: {head[:400]}. "
        f"Nothing can be certified about it as it stands; {remedy} the submodules on either side."
    )

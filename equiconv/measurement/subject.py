"""The function under measurement and the arguments it is measured on: which of them move, and how it is called."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from typing import Any

import array_api_compat
import numpy as np
import torch
from torch.utils import _pytree as pytree

from equiconv.arrays import Array, device, dtype_name, library, namespace, normalize_axes, require_floating
from equiconv.groups import Translations
from equiconv.measurement.outputs import Part, largest_difference, parts_of, require_dense

__all__ = ["Subject"]


@dataclass(frozen=True, eq=False)
class Subject:
    """A function with the arguments it is measured on.

    Attributes
    ----------
    f: as it was given. name: of its class or of the function. leaves: the flat arguments. labels: their names.
    moved: for each leaf that the group acts on, the dims that carry it. group: the translations.
    axes: those dims counted from the end (−1 is the last), as they are in the first moved leaf.
    notes: what was decided about the other leaves.
    """

    f: Any
    call: Callable[..., Any]
    name: str
    leaves: tuple[Any, ...]
    labels: tuple[str, ...]
    spec: Any
    moved: Mapping[int, tuple[int, ...]]
    group: Translations
    axes: tuple[int, ...]
    notes: tuple[str, ...]

    @classmethod
    def of(cls, f: Any, x: Any, axes: int | Iterable[int] = (-2, -1)) -> Subject:
        """Look at a function and its arguments, and refuse what cannot be measured.

        x: an array, a tuple (or list) of positional arguments, or a dict of keyword arguments.

        Raises
        ------
        TypeError: f is not callable or a class; no argument is an array; the arguments that move are integers; a torch
            module is given arrays of another library. ValueError: a module in training mode, NaN or infinite weights or
            inputs, an argument on another device than the weights, axes that no argument has.
        """
        call = _callable(f)
        args, kwargs = (
            ((), dict(x)) if isinstance(x, Mapping) else (tuple(x), {}) if isinstance(x, (tuple, list)) else ((x,), {})
        )
        flat, spec = pytree.tree_flatten((args, kwargs))
        dummy = pytree.tree_unflatten(list(range(len(flat))), spec)
        labels = tuple(_label(path) for path, _ in pytree.tree_flatten_with_path(dummy)[0])
        if len(flat) == 1:
            labels = ("x",)
        moved, shape, notes = _carriers(flat, labels, axes)
        for index in moved:
            _require_sound(flat[index], labels[index])
        if isinstance(f, (torch.nn.Module, torch.export.ExportedProgram)):
            _require_torch(f, flat, labels)
        first = next(iter(moved))
        trailing = tuple(d - flat[first].ndim for d in moved[first])
        return cls(f, call, _name(f), tuple(flat), labels, spec, moved, Translations(shape), trailing, notes)

    @property
    def example(self) -> Array:
        """The first argument that moves."""
        return self.leaves[next(iter(self.moved))]

    @property
    def library(self) -> str:
        """The array library of the arguments."""
        return library(self.example)

    @property
    def is_model(self) -> bool:
        """Whether the function is a torch module or exported program, whose graph can be looked into."""
        return isinstance(self.f, (torch.nn.Module, torch.export.ExportedProgram))

    def arguments(self, leaves: Sequence[Any] | None = None) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Positional and keyword arguments of the call, arrays copied: the function may write into them."""
        copies = [_copied(leaf) for leaf in (self.leaves if leaves is None else leaves)]
        args, kwargs = pytree.tree_unflatten(copies, self.spec)
        return args, kwargs

    def output(self, leaves: Sequence[Any] | None = None, within: AbstractContextManager[Any] | None = None) -> Any:
        """What the function returns, without gradients. within: a context that the call alone runs in."""
        args, kwargs = self.arguments(leaves)
        try:
            with torch.no_grad(), within or nullcontext():
                return self.call(*args, **kwargs)
        except Exception as error:
            shapes = ", ".join(
                f"{n} {tuple(v.shape)}"
                for n, v in zip(self.labels, leaves or self.leaves, strict=True)
                if hasattr(v, "shape")
            )
            error.add_note(f"raised by {self.name} when called on {shapes}")
            raise

    def run(self, leaves: Sequence[Any] | None = None, within: AbstractContextManager[Any] | None = None) -> list[Part]:
        """The arrays that the function returns. Raises `ValueError` where there are none."""
        return self.parts(self.output(leaves, within))

    def parts(self, output: Any) -> list[Part]:
        """The arrays in an output. Raises `ValueError` where there are none."""
        parts = parts_of(output)
        if not parts:
            raise ValueError(
                f"f: has no tensor in its output (a {type(output).__name__}), so there is nothing to compare; "
                "return an array or a structure of arrays"
            )
        return parts

    def shifted(self, shift: Sequence[int], leaves: Sequence[Any] | None = None) -> list[Any]:
        """The arguments after the group element with these shifts acted on them."""
        element = self.group.element(tuple(shift))
        given = self.leaves if leaves is None else leaves
        return [element.act(v, self.moved[i]) if i in self.moved else v for i, v in enumerate(given)]

    def sole(self) -> int | None:
        """The one array among the arguments, if it has a dim 0 that is not moved: only then can calls be stacked along
        dim 0."""
        arrays = [i for i, v in enumerate(self.leaves) if array_api_compat.is_array_api_obj(v)]
        return arrays[0] if len(arrays) == 1 and 0 not in self.moved[arrays[0]] else None

    def stacked(self, several: Sequence[Sequence[Any]]) -> list[Any]:
        """Several argument lists as one call, their one array joined along dim 0."""
        index = self.sole()
        if index is None:
            raise ValueError("the arguments hold several arrays, or one without a batch dim; they cannot be stacked")
        arrays = [leaves[index] for leaves in several]
        joined = namespace(*arrays).concat(arrays, axis=0)
        return [joined if i == index else v for i, v in enumerate(several[0])]

    def batched(self, base: Sequence[Part], floors: Sequence[float], slack: float) -> bool:
        """Whether dim 0 is a batch: each entry of it is computed without regard to the others, to within rounding.

        Tried on x, x/2 and x joined along dim 0: the first and the last block must come out as f(x).
        """
        index = self.sole()
        if index is None or any(p.value.ndim == 0 for p in base):
            return False
        half = [v * 0.5 if i == index else v for i, v in enumerate(self.leaves)]
        try:
            parts = self.run(self.stacked([self.leaves, half, self.leaves]))
        except (RuntimeError, ValueError, TypeError, IndexError, KeyError, AssertionError):
            return False  # a function of a fixed shape says so in its own way
        count = int(self.leaves[index].shape[0])
        for part, before, floor in zip(parts, base, floors, strict=True):
            expected = (3 * before.value.shape[0], *before.value.shape[1:])
            if before.value.shape[0] != count or tuple(part.value.shape) != tuple(expected):
                return False
            errors = (
                largest_difference(part.value[:count], before.value),
                largest_difference(part.value[2 * count :], before.value),
            )
            if max(errors) > slack * floor:
                return False
        return True

    def first(self) -> Subject:
        """The same function on the first entry of the batch only; call it where `batched`."""
        index = self.sole()
        if index is None:
            return self
        return replace(self, leaves=tuple(v[:1] if i == index else v for i, v in enumerate(self.leaves)))

    def environment(self) -> dict[str, str]:
        """What decides rounding besides the dtype: device, and on CUDA the TF32 and cuDNN settings."""
        found = {"library": self.library, "device": str(device(self.example)), "dtype": dtype_name(self.example.dtype)}
        if self.library == "torch" and self.example.device.type == "cuda":
            cudnn: Any = torch.backends.cudnn
            found["device"] = f"{found['device']} ({torch.cuda.get_device_name(self.example.device)})"
            found["float32 matmul"] = str(torch.backends.cuda.matmul.fp32_precision)
            found["float32 convolution"] = str(cudnn.conv.fp32_precision)
            found["cudnn"] = (
                f"deterministic={torch.backends.cudnn.deterministic}, benchmark={torch.backends.cudnn.benchmark}"
            )
        return found


def _callable(f: Any) -> Callable[..., Any]:
    if isinstance(f, torch.export.ExportedProgram):
        module: Callable[..., Any] = f.module()
        return module
    if isinstance(f, type):
        raise TypeError(f"f: got the class {f.__name__}; pass an instance of it, or a function")
    if not callable(f):
        raise TypeError(
            f"f: got {type(f).__name__}, which cannot be called; pass a torch module or a function of arrays"
        )
    if isinstance(f, torch.nn.Module):
        if f.training:
            raise ValueError(
                "f: is in training mode, where dropout and batch statistics make it no fixed function; "
                "call f.eval() first"
            )
        training = next((name for name, part in f.named_modules() if part.training), None)
        if training:
            raise ValueError(f"f: its part {training} is in training mode; call f.eval() first")
    function: Callable[..., Any] = f
    return function


def _name(f: Any) -> str:
    return getattr(f, "__qualname__", None) or getattr(f, "__name__", None) or type(f).__name__


def _label(path: tuple[Any, ...]) -> str:
    """The name of an argument from its path in (args, kwargs)."""
    where, rest = path[0], path[1:]
    head = rest[0]
    name = f"argument {head.idx}" if where.idx == 0 else str(head.key)
    return name + str(pytree.keystr(rest[1:]))


def _carriers(
    flat: Sequence[Any], labels: Sequence[str], axes: int | Iterable[int]
) -> tuple[dict[int, tuple[int, ...]], tuple[int, ...], tuple[str, ...]]:
    """The leaves that the group acts on, with their dims; the sizes of those dims; and notes on the other leaves."""
    arrays = [i for i, v in enumerate(flat) if array_api_compat.is_array_api_obj(v)]
    if not arrays:
        held = ", ".join(dict.fromkeys(type(v).__name__ for v in flat)) or "nothing"
        raise TypeError(
            f"x: holds no array, only {held}; pass an array (numpy.asarray of a list), a tuple of arguments, or a dict of keyword arguments"
        )
    for i in arrays:
        if getattr(
            flat[i], "is_nested", False
        ):  # it has no shape to look at; a sparse argument that stays as it is does no harm
            require_dense(flat[i], labels[i])
    namespace(*(flat[i] for i in arrays))  # refuses mixed libraries and devices
    wanted = tuple(axes) if isinstance(axes, Iterable) else (axes,)
    moved: dict[int, tuple[int, ...]] = {}
    shape: tuple[int, ...] = ()
    notes = []
    for i in arrays:
        value, label = flat[i], labels[i]
        if len(arrays) > 1 and any(not -value.ndim <= a < value.ndim for a in wanted):
            notes.append(f"{label} {tuple(value.shape)} has no dims {wanted}: it stays as it is under the shifts")
            continue
        if value.ndim == 1 and wanted == (-2, -1):
            raise ValueError(
                f"axes: {label} has the shape {tuple(value.shape)}, without the dims (-2, -1) of an image; pass axes=-1 for a signal"
            )
        dims = normalize_axes(wanted, value.ndim)
        sizes = tuple(int(value.shape[d]) for d in dims)
        if 0 in sizes:
            raise ValueError(
                f"axes: the dims {wanted} of {label} have the sizes {sizes}; an axis without entries has no shifts"
            )
        shape = shape or sizes
        if sizes == shape:
            moved[i] = dims
        else:
            notes.append(
                f"{label} has the sizes {sizes} along {wanted}, not {shape}: it stays as it is under the shifts"
            )
    if not moved:
        raise ValueError(
            f"axes: no argument has the dims {wanted}; the shapes are {[tuple(flat[i].shape) for i in arrays]}"
        )
    return moved, shape, tuple(notes)


def _require_sound(value: Array, label: str) -> None:
    require_dense(value, label)
    require_floating(value, label)
    if library(value) == "torch" and value.device.type == "meta":
        raise ValueError(f"{label}: is on the meta device, which holds no values; pass an input with values")
    bad = math.prod(value.shape) - int(namespace(value).count_nonzero(namespace(value).isfinite(value)))
    if bad:
        raise ValueError(f"{label}: holds {bad} NaN or infinite values of {math.prod(value.shape)}; pass sound inputs")


def _require_torch(f: Any, flat: Sequence[Any], labels: Sequence[str]) -> None:
    """Refuse arguments that the module cannot take, and weights that make every comparison false."""
    for value, label in zip(flat, labels, strict=True):
        if isinstance(value, np.ndarray) or (array_api_compat.is_array_api_obj(value) and library(value) != "torch"):
            raise TypeError(
                f"{label}: is a {type(value).__module__}.{type(value).__name__} and f a torch module; "
                f"write torch.as_tensor({label})"
            )
    parameters = list(f.named_parameters())
    for path, weight in parameters:
        if weight.device.type == "meta":
            raise ValueError(
                f"f: its weight {path} is on the meta device, which holds no values; load the weights first"
            )
        if weight.is_floating_point() or weight.is_complex():
            bad = int((~torch.isfinite(weight)).sum())
            if bad:
                raise ValueError(
                    f"f: its weight {path} holds {bad} NaN or infinite values of {weight.numel()}; load sound weights"
                )
    homes = {weight.device for _, weight in parameters}
    for value, label in zip(flat, labels, strict=True):
        if isinstance(value, torch.Tensor) and len(homes) == 1 and value.device not in homes:
            (home,) = homes
            raise ValueError(
                f"{label}: is on {value.device} and the weights of f are on {home}; write {label}.to({str(home)!r})"
            )


def _copied(leaf: Any) -> Any:
    if not array_api_compat.is_array_api_obj(leaf) or isinstance(leaf, np.generic):
        return leaf
    return namespace(leaf).asarray(leaf.detach() if isinstance(leaf, torch.Tensor) else leaf, copy=True)

"""Files: saved programs and checkpoints, read without unpickling anything that could run code.

torch's own reader of ``.pt2`` unpickles parts of an archive unsafely (tensor subclasses, script objects, and example
inputs where the safe reader refuses them), so the archive is looked through first and refused where one of those is in
it.
"""

from __future__ import annotations

import io
import json
import os
import pickle
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

import torch
from torch import nn

from equiconv.cli.errors import BadInput, first_line
from equiconv.cli.models import LoadedModel

_WRAPPERS = ("state_dict", "model_state_dict", "model", "state_dict_ema", "model_ema")


def exported_program(path: Path) -> LoadedModel:
    """A program saved by ``torch.export.save``, with the one shape of input that it accepts.

    The weights are never unpickled unsafely; the program's graph is still torch's to parse, so a file of unknown origin
    deserves the caution that code does.

    Raises:
        BadInput: no such file, no program, an archive that would have to be unpickled, or inputs other than one tensor.
    """
    content = _read(path, "MODEL")
    _refuse_pickles(content, path)
    with _safe_unpickling():
        try:
            program = torch.export.load(io.BytesIO(content))
        except Exception as error:
            raise BadInput(
                f"MODEL: {str(path)!r} could not be loaded by torch {torch.__version__} ({first_line(error)}). Save it "
                "again with this torch: torch.export.save(torch.export.export(model, (x,)), 'model.pt2')"
            ) from error
    args, kwargs = program.example_inputs or ((), {})
    tensors = [*args, *kwargs.values()]
    if len(tensors) != 1 or not isinstance(tensors[0], torch.Tensor):
        raise BadInput(
            f"MODEL: the program in {str(path)!r} takes {len(tensors)} inputs, and the command line drives networks of "
            "one tensor. From Python, equiconv.certify(model, example) takes a tuple or a dict of inputs"
        )
    shape = tuple(tensors[0].shape)
    model = program.module()
    # eval() is refused by an exported module, whose mode is already part of its graph: there is nothing left to switch.
    for part in model.modules():
        part.training = False
    return LoadedModel(
        name=str(path),
        model=model,
        weights=f"those saved in {path.name}",
        channels=shape[1] if len(shape) > 2 else None,
        size=(shape[-2], shape[-1]) if len(shape) == 4 else None,
        shape=shape,
    )


def load_checkpoint(model: nn.Module, path: Path) -> str:
    """Load weights into the model, all or none; returns where they came from, in words.

    ``.safetensors`` is read as such, and anything else with ``torch.load(weights_only=True)``. A dict that wraps the
    weights under a usual key is unwrapped, and a prefix ``module.`` on every name (DataParallel) is dropped; both are
    said.

    Raises:
        BadInput: no such file, a pickle that is more than tensors, or names and shapes that are not the model's.
    """
    content = _read(path, "--checkpoint")
    if path.suffix == ".safetensors":
        weights, remarks = _read_safetensors(content, path), list[str]()
    else:
        weights, remarks = _unwrap(_read_pickle(content, path), path)
    if weights and all(name.startswith("module.") for name in weights):
        weights = {name.removeprefix("module."): value for name, value in weights.items()}
        remarks.append("without the prefix 'module.'")
    _refuse_mismatch(model, weights, path)
    model.load_state_dict(weights)
    return ", ".join([f"those in {path.name}", *remarks])


def _read(path: Path, argument: str) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        reason = "is a folder" if path.is_dir() else (error.strerror or "cannot be read").lower()
        raise BadInput(f"{argument}: the file {str(path)!r} cannot be read: {reason}") from error


def _refuse_pickles(content: bytes, path: Path) -> None:
    try:
        archive = zipfile.ZipFile(io.BytesIO(content))
    except zipfile.BadZipFile as error:
        raise BadInput(
            f"MODEL: {str(path)!r} is no saved program (not a zip archive). A .pt2 file is written by "
            "torch.export.save(torch.export.export(model, (x,)), 'model.pt2')"
        ) from error
    with archive:
        names = archive.namelist()
        if not any(name.endswith("/archive_format") for name in names) or not any("/models/" in name for name in names):
            raise BadInput(
                f"MODEL: {str(path)!r} is a zip archive but no exported program of this format (torch.save, "
                "torch.jit.save and torch 2.7 or earlier write others). Write it with "
                "torch.export.save(torch.export.export(model, (x,)), 'model.pt2')"
            )
        if len(set(names)) != len(names):
            raise BadInput(
                f"MODEL: the archive {str(path)!r} holds two entries of one name; it was not written by torch"
            )
        pickled = [name for name in names if "/data/" in name and _is_unsafe(archive, name)]
    if pickled:
        raise BadInput(
            f"MODEL: {str(path)!r} holds objects that only an unsafe unpickling, which can run any code, would load: "
            f"{', '.join(pickled[:3])}. Export a network of plain tensors, or load the program yourself in a file.py "
            "and name it: file.py:model"
        )


def _is_unsafe(archive: zipfile.ZipFile, name: str) -> bool:
    """Whether torch's reader would unpickle this entry without restriction."""
    file = name.rsplit("/", 1)[-1]
    if "/data/weights/" in name or "/data/constants/" in name:
        if file.endswith("_config.json"):
            entries = json.loads(archive.read(name)).get("config", {}).values()
            return any(entry.get("use_pickle") for entry in entries)
        return not file.startswith(("weight_", "tensor_"))  # a script object, an opaque object, a legacy .pt
    if "/data/sample_inputs/" in name:
        content = archive.read(name)
        if not content:
            return False
        try:
            torch.load(io.BytesIO(content), weights_only=True, map_location="cpu")
        except (pickle.UnpicklingError, RuntimeError, EOFError):
            return True
    return False


@contextmanager
def _safe_unpickling() -> Iterator[None]:
    """Every torch.load in here is weights_only, whatever its caller asks: the second lock on the same door."""
    key = "TORCH_FORCE_WEIGHTS_ONLY_LOAD"
    before = os.environ.get(key)
    os.environ[key] = "1"
    try:
        yield
    finally:
        if before is None:
            del os.environ[key]
        else:
            os.environ[key] = before


def _read_safetensors(content: bytes, path: Path) -> dict[str, torch.Tensor]:
    try:
        from safetensors import SafetensorError
        from safetensors.torch import load
    except ImportError as error:
        raise BadInput(
            f"--checkpoint: reading {path.name!r} needs safetensors: pip install safetensors, or equiconv[models]"
        ) from error
    try:
        return cast("dict[str, torch.Tensor]", load(content))
    except SafetensorError as error:
        raise BadInput(f"--checkpoint: {str(path)!r} is no safetensors file ({first_line(error)})") from error


def _read_pickle(content: bytes, path: Path) -> Any:
    try:
        return torch.load(io.BytesIO(content), weights_only=True, map_location="cpu")
    except (pickle.UnpicklingError, RuntimeError, EOFError, ValueError) as error:
        raise BadInput(
            f"--checkpoint: {str(path)!r} holds more than tensors, or is no checkpoint ({first_line(error)}); "
            "unpickling it could run any code, so it is not done. In a process that you trust with it, save the "
            "tensors alone: torch.save(model.state_dict(), 'weights.pt')"
        ) from error


def _unwrap(loaded: Any, path: Path) -> tuple[dict[str, torch.Tensor], list[str]]:
    remarks = []
    if isinstance(loaded, dict):
        key = next((k for k in _WRAPPERS if isinstance(loaded.get(k), dict)), None)
        if key is not None:
            loaded = loaded[key]
            remarks.append(f"under the key {key!r}")
    if (
        not isinstance(loaded, dict)
        or not loaded
        or not all(isinstance(k, str) and isinstance(v, torch.Tensor) for k, v in loaded.items())
    ):
        raise BadInput(
            f"--checkpoint: {str(path)!r} holds a {type(loaded).__name__} that is no dict of names and tensors; save "
            "model.state_dict(), alone or under one of the keys " + ", ".join(_WRAPPERS)
        )
    return loaded, remarks


def _refuse_mismatch(model: nn.Module, weights: dict[str, torch.Tensor], path: Path) -> None:
    own = model.state_dict()
    differences = {
        "names that the network has and the file lacks": own.keys() - weights.keys(),
        "names that the file has and the network lacks": weights.keys() - own.keys(),
        "shapes that differ": {n for n in own.keys() & weights.keys() if own[n].shape != weights[n].shape},
    }
    faults = [
        f"{len(names)} {what}: {', '.join(sorted(names)[:3])}{' …' if len(names) > 3 else ''}"
        for what, names in differences.items()
        if names
    ]
    if faults:
        raise BadInput(f"--checkpoint: {str(path)!r} does not fit the network: {'; '.join(faults)}")

"""What every command does first: MODEL to a network, options to an input for it, and a line that says what both are."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from torch import Tensor, nn

from equiconv.cli import images, inputs, models, registries, saved, weights
from equiconv.cli.errors import BadInput, first_line
from equiconv.graph import has_values


@dataclass(frozen=True)
class Prepared:
    """A network and a batch that fits it, both as a command uses them.

    Attributes:
        loaded, inputs: the two.
        recipe: lines of Python that build the network again, bound to ``model``, where files are found as they were.
    """

    loaded: models.LoadedModel
    inputs: inputs.Inputs
    recipe: str

    @property
    def model(self) -> nn.Module:
        return self.loaded.model

    @property
    def example(self) -> Tensor:
        """One input: the certificate holds for its shape, and a batch would only cost time. A saved program keeps its
        batch."""
        return self.inputs.x if self.loaded.shape is not None else self.inputs.x[:1]

    @property
    def valued(self) -> bool:
        """False where the network was built without values, so that nothing can be run."""
        return all(map(has_values, [*self.model.parameters(), *self.model.buffers(), self.inputs.x]))

    def describe(self) -> str:
        """Two lines: what the network and its weights are, and what it is shown."""
        return f"network  {self.loaded.name}; weights: {self.loaded.weights}\ninput    {self.inputs.note}"


def prepare(
    name: str,
    *,
    size: str | None = None,
    shape: str | None = None,
    folder: Path | None = None,
    photographs: bool = False,
    limit: int = 16,
    checkpoint: Path | str | None = None,
    seed: int = 0,
    dtype: str | None = None,
    most: int | None = None,
) -> Prepared:
    """Resolve MODEL, give it its weights and its dtype, and build the input.

    ``most``: a network of a registry with more parameters than this is built without values (None: whatever its size).

    Raises:
        BadInput: as `equiconv.cli.models.resolve`, `equiconv.cli.saved.load_checkpoint` and
            `equiconv.cli.inputs.build_inputs`.
    """
    wanted = images.native_size(folder) if size == "native" else inputs.parse_size(size)
    whole, cast = inputs.parse_shape(shape), inputs.parse_dtype(dtype)
    checkpoint = None if checkpoint is None else Path(checkpoint)
    loaded = None if most is None or checkpoint is not None else _without_values(name, wanted, seed, most)
    loaded = loaded or models.resolve(name, size=wanted, seed=seed)
    if checkpoint is not None:
        loaded = replace(loaded, weights=saved.load_checkpoint(loaded.model, checkpoint))
    elif loaded.named:
        redrawn = weights.make_generic(loaded.model, seed)
        more = f"{redrawn} tensors that start at one value redrawn too; --checkpoint FILE loads others"
        loaded = replace(loaded, weights=f"{loaded.weights}, {more}")
    if cast is not None:
        if loaded.shape is not None:
            raise BadInput(
                f"--dtype: {dtype} came, and the dtypes of a saved program are fixed; export the network in that dtype"
            )
        try:
            loaded.model.to(cast)
        except (TypeError, RuntimeError) as error:
            raise BadInput(f"--dtype: the network does not convert to {dtype} ({first_line(error)})") from error
    built = inputs.build_inputs(
        loaded, size=wanted, shape=whole, folder=folder, photographs=photographs, limit=limit, seed=seed
    )
    if built.x.is_meta:
        built = replace(built, note=f"no values, of shape {'x'.join(map(str, built.x.shape))}")
    return Prepared(loaded, built, _recipe(name, wanted, checkpoint, seed, dtype))


def _without_values(name: str, size: tuple[int, int] | None, seed: int, most: int) -> models.LoadedModel | None:
    """The network without values where it comes from a registry and has more than ``most`` parameters, else None."""
    if name.partition(":")[0] not in registries.SOURCES:
        return None
    loaded = models.resolve(name, size=size, seed=seed, values=False)
    return loaded if sum(p.numel() for p in loaded.model.parameters()) > most else None


def _recipe(name: str, size: tuple[int, int] | None, checkpoint: Path | None, seed: int, dtype: str | None) -> str:
    options = {
        "size": None if size is None else f"{size[0]}x{size[1]}",
        "checkpoint": None if checkpoint is None else str(checkpoint),
        "seed": seed or None,
        "dtype": dtype,
    }
    given = "".join(f", {key}={value!r}" for key, value in options.items() if value is not None)
    return f"from equiconv.cli.prepare import prepare\nmodel = prepare({name!r}{given}).model"

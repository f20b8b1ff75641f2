"""Prepared spectra are never stale, never too many, and change nothing but the time."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn

from equiconv.nn import CircularConv1d, CircularConv2d, CircularConv3d, preparation, prepared, spectral, use_algorithm

OP = torch.ops.equiconv.circular_conv.default


def layer_and_input(dtype: torch.dtype = torch.float32) -> tuple[CircularConv2d, torch.Tensor]:
    torch.manual_seed(0)
    layer = CircularConv2d(6, 4, 5, padding="same", dtype=dtype).eval()
    return layer, torch.randn(3, 6, 12, 10, dtype=dtype)


@pytest.fixture(autouse=True)
def spectra_everywhere() -> Any:
    """Small problems, which would be direct."""
    with use_algorithm("spectral"):
        yield


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Counts how often the spectrum of a kernel is made to be held."""
    counts = [0]
    make = spectral.kernel_spectrum

    def counting(*args: Any) -> Any:
        counts[0] += 1
        return make(*args)

    monkeypatch.setattr(spectral, "kernel_spectrum", counting)
    return counts


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize(
    ("layer", "shape"),
    [
        (CircularConv1d(4, 6, 9, padding=4), (2, 4, 20)),
        (CircularConv2d(4, 6, (3, 5), padding=(1, 7), stride=(1, 2), dilation=2, groups=2, bias=False), (2, 4, 9, 8)),
        (CircularConv2d(8, 8, 5, padding="same", groups=8), (2, 8, 7, 9)),
        (CircularConv3d(2, 3, 3, padding=1), (2, 2, 4, 5, 6)),
        (CircularConv2d(4, 6, 3, padding=1), (4, 9, 8)),  # no batch axis
    ],
)
def test_the_result_is_that_without_preparation(dtype: torch.dtype, layer: nn.Module, shape: Any) -> None:
    layer = layer.to(dtype)
    x = torch.randn(shape, dtype=dtype, generator=torch.Generator().manual_seed(0))
    with torch.no_grad(), prepared(layer) as spectra:
        results = [layer(x), layer(x)]
        assert len(spectra) == 1
        with use_algorithm("direct"):
            expected = layer(x)
    for y in results:
        assert y.shape == expected.shape
        assert y.dtype == dtype
        assert y.is_contiguous()
        assert not y.requires_grad
        assert (y - expected).abs().max() <= 300 * torch.finfo(dtype).eps * expected.abs().max()
    assert torch.equal(results[0], results[1])


def test_a_spectrum_is_made_once_for_each_size(made: list[int]) -> None:
    layer, x = layer_and_input()
    with torch.no_grad(), prepared(layer) as spectra:
        for _ in range(3):
            layer(x)
            layer(x[:1])  # any batch
            layer(x[..., :7])
        assert made == [2]
        assert len(spectra) == 2
        spectra.clear()
        assert (len(spectra), spectra.nbytes) == (0, 0)
        layer(x)
        assert made == [3]
    layer(x)
    assert made == [3]
    assert len(spectra) == 0


# ---------------------------------------------------------------------------------------------------------------------
# Never stale: each way in which a weight changes, those that autograd's version counter does not see included
# ---------------------------------------------------------------------------------------------------------------------


def in_place(layer: CircularConv2d) -> None:
    with torch.no_grad():
        layer.weight.mul_(2)


def through_data(layer: CircularConv2d) -> None:
    layer.weight.data.mul_(2)


def one_entry_through_numpy(layer: CircularConv2d) -> None:
    layer.weight.detach().numpy()[1, 2, 3, 4] += 1


def replaced(layer: CircularConv2d) -> None:
    layer.weight = nn.Parameter(layer.weight.detach().flip(0))


def new_data(layer: CircularConv2d) -> None:
    layer.weight.data = layer.weight.detach().flip(-1).clone()


def loaded(layer: CircularConv2d) -> None:
    layer.load_state_dict({name: value + 1 for name, value in layer.state_dict().items()})


def trained(layer: CircularConv2d) -> None:
    layer.weight.grad = torch.ones_like(layer.weight)
    torch.optim.SGD([layer.weight], lr=0.5).step()


def other_dtype(layer: CircularConv2d) -> None:
    layer.double()


CHANGES = [in_place, through_data, one_entry_through_numpy, replaced, new_data, loaded, trained, other_dtype]


@pytest.mark.parametrize("change", CHANGES)
def test_a_changed_weight_is_seen(change: Callable[[CircularConv2d], None], made: list[int]) -> None:
    layer, x = layer_and_input()
    with torch.no_grad(), prepared(layer) as spectra:
        before = layer(x)
        change(layer)
        x = x.to(layer.weight.dtype)
        after = layer(x)
        assert made == [2]
        assert len(spectra) == 1  # what was is not kept beside what is
        with use_algorithm("direct"):
            expected = layer(x)
    assert (after - expected).abs().max() < 1e-4
    assert (after - before).abs().max() > 1e-2 or change is other_dtype


@pytest.mark.parametrize("change", [through_data, one_entry_through_numpy])
def test_the_version_counter_alone_would_be_stale(change: Callable[[CircularConv2d], None]) -> None:
    """Why the weights themselves are compared."""
    layer, _ = layer_and_input()
    version, memory = layer.weight._version, layer.weight.data_ptr()
    change(layer)
    assert (layer.weight._version, layer.weight.data_ptr()) == (version, memory)


def test_what_is_held_belongs_to_the_weight_it_was_made_from() -> None:
    """A held copy shares no memory with the weight: else it would change along with it, and nothing would be noticed."""
    layer, x = layer_and_input()
    with torch.no_grad(), prepared(layer) as spectra:
        layer(x)
        (held,) = spectra._held.values()
        assert held.weight.data_ptr() != layer.weight.data_ptr()


# ---------------------------------------------------------------------------------------------------------------------
# Where it has no effect
# ---------------------------------------------------------------------------------------------------------------------


def test_gradients_are_those_without_preparation(made: list[int]) -> None:
    layer, x = layer_and_input(torch.float64)
    grads = []
    for context in (prepared(layer), use_algorithm("spectral")):
        x = x.detach().requires_grad_()
        parameters = list(layer.parameters())
        with context:
            with torch.no_grad():
                layer(x)
            y = layer(x)
            assert y.requires_grad
            grads.append(torch.autograd.grad(y.square().sum(), [x, *parameters]))
    assert made == [1]  # for the call under no_grad
    for a, b in zip(*grads, strict=True):
        assert torch.equal(a, b)


def test_a_gradient_in_the_input_alone_is_recorded() -> None:
    layer, x = layer_and_input()
    layer.requires_grad_(False)
    with prepared(layer):
        (grad,) = torch.autograd.grad(layer(x.requires_grad_()).sum(), x)
    assert torch.allclose(grad, layer.weight.sum(dim=(0, 2, 3)).reshape(-1, 1, 1).expand_as(grad), atol=1e-4)


def test_exported_graphs_hold_the_operation() -> None:
    layer, x = layer_and_input()
    with torch.no_grad(), prepared(layer):
        layer(x)
        for strict in (False, True):
            program = torch.export.export(layer, (x,), strict=strict)
            targets = [node.target for node in program.graph.nodes if node.op == "call_function"]
            assert targets == [OP]
            assert torch.equal(program.module()(x), OP(x, layer.weight, layer.bias, [1, 1], [2] * 4, [1, 1], 1))


def test_transforms_and_modes_see_the_operation(made: list[int]) -> None:
    from torch.utils._python_dispatch import TorchDispatchMode

    seen: list[Any] = []

    class Watch(TorchDispatchMode):  # type: ignore[no-untyped-call]
        def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            seen.append(func)
            return func(*args, **(kwargs or {}))

    layer, x = layer_and_input()
    with torch.no_grad(), prepared(layer):
        expected = layer(x)
        assert made == [1]
        with Watch():  # type: ignore[no-untyped-call]
            watched = layer(x)
        assert OP in seen
        mapped = torch.func.vmap(layer)(x.unsqueeze(1)).squeeze(1)
        compiled = torch.compile(layer, backend="eager")(x)
    for y in (watched, mapped, compiled):
        assert torch.allclose(y, expected, atol=1e-5)
    assert made == [1]


def test_autocast_and_other_dtypes_are_as_without() -> None:
    layer, x = layer_and_input()
    with torch.no_grad(), prepared(layer) as spectra:
        with torch.autocast("cpu", dtype=torch.bfloat16):
            assert layer(x).dtype == torch.bfloat16
        narrow = layer.to(torch.bfloat16)
        assert narrow(x.to(torch.bfloat16)).dtype == torch.bfloat16
        assert len(spectra) == 0


def test_direct_layers_hold_nothing() -> None:
    layer, x = layer_and_input()
    with torch.no_grad(), prepared(layer) as spectra, use_algorithm("direct"):
        layer(x)
        assert len(spectra) == 0


def test_wrong_input_is_refused_as_without_preparation() -> None:
    layer, x = layer_and_input()
    with torch.no_grad(), prepared(layer):
        with pytest.raises(ValueError, match="takes 6 channels"):
            layer(x[:, :5])
        with pytest.raises(TypeError, match="must have one dtype"):
            layer(x.double())


# ---------------------------------------------------------------------------------------------------------------------
# Memory, nesting, threads
# ---------------------------------------------------------------------------------------------------------------------


def test_memory_is_what_is_said_and_bounded(made: list[int]) -> None:
    layer, x = layer_and_input()
    of_one = 4 * (layer.weight.numel() + 12 * 6 * 2 * 6 * 4)
    with torch.no_grad(), prepared(layer, limit=of_one) as spectra:
        layer(x)
        assert spectra.nbytes == of_one
        assert str(spectra) == f"Preparation(1 spectra, {of_one} of at most {of_one} bytes)"
        other = layer(x[..., :9])  # no room for another size: computed without
        assert torch.equal(other, OP(x[..., :9], layer.weight, layer.bias, [1, 1], [2] * 4, [1, 1], 1))
        assert len(spectra) == 1
        through_data(layer)
        layer(x)  # takes the room of what is stale
        assert spectra.nbytes == of_one
    assert made == [2]
    with torch.no_grad(), prepared(layer, limit=of_one - 1) as spectra:
        layer(x)
        assert len(spectra) == 0
    assert made == [2]


def test_contexts_nest_and_end_in_any_order() -> None:
    layer, x = layer_and_input()
    model = nn.Sequential(layer, nn.ReLU())
    with torch.no_grad():
        outer, inner = prepared(model), prepared(layer)
        first = outer.__enter__()
        model(x)
        second = inner.__enter__()
        model(x)
        assert (len(first), len(second)) == (1, 1)
        outer.__exit__(None, None, None)
        assert preparation.is_prepared(layer)
        model(x)
        assert (len(first), len(second)) == (0, 1)
        inner.__exit__(None, None, None)
        assert not preparation.is_prepared(layer)
        with pytest.raises(RuntimeError, match="inside"), prepared(model):
            raise RuntimeError("inside")
        assert not preparation.is_prepared(layer)


def test_threads_share_a_preparation_while_the_weight_changes() -> None:
    """Each result is that of the weight before or after a change, never of a mixture of weight and spectrum."""
    layer, x = layer_and_input(torch.float64)
    kernels = [layer.weight.detach().clone() * factor for factor in (1.0, -3.0)]
    with torch.no_grad():
        expected = []
        for kernel in kernels:
            layer.weight = nn.Parameter(kernel)
            expected.append(layer(x))
    wrong: list[float] = []

    def call() -> None:
        for _ in range(40):
            with torch.no_grad():
                y = layer(x)
            wrong.append(min((y - e).abs().max().item() for e in expected))

    with prepared(layer) as spectra:
        threads = [threading.Thread(target=call) for _ in range(3)]
        for thread in threads:
            thread.start()
        for i in range(40):
            layer.weight = nn.Parameter(kernels[i % 2])
        for thread in threads:
            thread.join()
        assert len(spectra) == 1
    assert len(wrong) == 120
    assert max(wrong) < 1e-12


def test_arguments() -> None:
    with pytest.raises(TypeError, match=r"model must be a torch.nn.Module, got function"):
        prepared(in_place).__enter__()  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"must hold a circular convolution.*from_torch"):
        prepared(nn.Conv2d(1, 1, 3)).__enter__()
    with pytest.raises(ValueError, match=r"limit must be a number of bytes, at least 0, got -1"):
        prepared(layer_and_input()[0], limit=-1).__enter__()

"""symmetrize: what it promises of the result, and that the model stays as it was."""

from __future__ import annotations

import copy
import io
import itertools
import pickle
from collections.abc import Sequence

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from equiconv.certification import certify
from equiconv.groups import Translations
from equiconv.symmetrization import SymmetrizationError, symmetrize
from tests.symmetrization.networks import CASES, Functional, ImageAndVector, Pooled, Residual, Same, integers, integral

SEED = 2  # with these weights no ReLU is dead, so that larger subgroups do fail


def respects(net: nn.Module, x: Tensor, shift: Sequence[int]) -> bool:
    """The output is, bitwise, the same for x and for its circular shift."""
    with torch.no_grad():
        return torch.equal(net(torch.roll(x, tuple(shift), tuple(range(-len(shift), 0)))), net(x))


@pytest.mark.parametrize("name", CASES)
def test_keeps_exactly_what_wrapping_promises(name: str) -> None:
    """Against brute force: all shifts in the subgroup hold, bitwise, and each minimal larger subgroup fails."""
    make, shape, strides = CASES[name]
    net, x = integral(make(), SEED), integers(shape, SEED)
    before = net.state_dict()
    mended, certificate = symmetrize(net, x, return_certificate=True)
    assert certificate.strides == strides
    assert certificate.kind == "invariant"
    assert certificate.exact
    assert not [o for o in certificate.obstacles if o.removable]
    inputs = [x, integers(shape, SEED + 1), integers(shape, SEED + 2)]
    sizes = shape[2:]
    for shift in itertools.product(*(range(0, n, s) for n, s in zip(sizes, strides, strict=True))):
        assert all(respects(mended, y, shift) for y in inputs[:2]), shift
    for _, larger in Translations(sizes).subgroup(strides).minimal_overgroups():
        assert not all(respects(mended, y, larger.shifts) for y in inputs), larger
    first = next(s if s < n else 1 for s, n in zip(strides, sizes, strict=True))
    assert not all(respects(net, y, (first, 0)) for y in inputs)  # the model itself does not
    assert {k: v.tolist() for k, v in mended.state_dict().items()} == {k: v.tolist() for k, v in before.items()}


def test_an_output_that_moves() -> None:
    net = integral(nn.Sequential(nn.Conv2d(1, 2, 3, padding=1, stride=2), nn.ReLU(), nn.MaxPool2d(3, 1, 1)), SEED)
    x = integers((1, 1, 8, 6))
    mended, certificate = symmetrize(net, x, return_certificate=True)
    assert (certificate.strides, certificate.kind, certificate.exact) == ((2, 2), "equivariant", True)
    for a, b in itertools.product(range(4), range(3)):
        assert torch.equal(mended(torch.roll(x, (2 * a, 2 * b), (-2, -1))), torch.roll(mended(x), (a, b), (-2, -1)))


def test_outputs_away_from_the_border_are_those_of_the_model() -> None:
    net = integral(nn.Sequential(nn.Conv2d(1, 2, 3, padding=1), nn.ReLU(), nn.Conv2d(2, 2, 5, padding=2)))
    x = integers((2, 1, 12, 12))
    mended = symmetrize(net, x[:1])
    assert torch.equal(mended(x)[..., 3:-3, 3:-3], net(x)[..., 3:-3, 3:-3])
    assert not torch.equal(mended(x), net(x))


def test_the_model_is_left_alone_and_shares_nothing_with_the_copy() -> None:
    net, x = integral(Residual()), integers((1, 1, 16, 16))
    kinds, values, output = [type(m) for m in net.modules()], copy.deepcopy(net.state_dict()), net(x)
    mended = symmetrize(net, x)
    with torch.no_grad():
        for parameter in mended.parameters():
            parameter.zero_()
    assert [type(m) for m in net.modules()] == kinds
    assert all(torch.equal(v, values[k]) for k, v in net.state_dict().items())
    assert torch.equal(net(x), output)


def test_state_dicts_are_interchangeable_and_modules_keep_their_place_and_class() -> None:
    net, x = integral(Functional()), integers((1, 1, 8, 8))
    deep = integral(Residual())
    mended, mended_deep = symmetrize(net, x), symmetrize(deep, integers((1, 1, 16, 16)))
    assert mended.load_state_dict(integral(Functional(), 5).state_dict()) == mended.load_state_dict(net.state_dict())
    net.load_state_dict(mended.state_dict())
    assert [n for n, _ in mended_deep.named_modules()] == [n for n, _ in deep.named_modules()]
    assert all(isinstance(b, type(a)) for a, b in zip(deep.modules(), mended_deep.modules(), strict=True))
    text = repr(mended_deep)
    assert (
        "CircularConv2d(1, 2, kernel_size=(7, 7), stride=(2, 2), padding=(3, 3), bias=False, conv2d wraps dims -2, -1)"
        in text
    )
    assert "CircularMaxPool2d" in text
    assert "(down): Conv2d" in text  # it pads nothing


def test_runs_on_other_batches_and_sizes_and_without_a_batch() -> None:
    net, x = integral(Functional(), SEED), integers((1, 1, 8, 8))
    mended = symmetrize(net, x)
    for shape in [(3, 1, 8, 8), (2, 1, 12, 20)]:
        y = integers(shape)
        assert torch.equal(mended(torch.roll(y, (2, 4), (-2, -1))), mended(y))
        assert certify(mended, y, refute=False).strides == (2, 2)
    conv = symmetrize(integral(nn.Conv2d(1, 2, 3, padding=1)), x)
    assert torch.equal(conv(x[0]), conv(x)[0])


def test_the_same_network_is_circular_at_sizes_that_its_strides_divide_though_the_example_is_odd() -> None:
    """Behind a stride that loses an axis nothing can be followed; what pads for a window wraps all the same."""
    net = integral(Pooled(nn.Conv2d(1, 2, 3, 2, 1), nn.ReLU(), Same(2, 2, 3, stride=2), nn.MaxPool2d(3, 1, 1)), SEED)
    mended, certificate = symmetrize(net, integers((1, 1, 15, 16)), return_certificate=True)
    assert certificate.strides == (15, 4)
    assert certify(mended, integers((1, 1, 16, 16)), refute=False).strides == (4, 4)
    assert certify(symmetrize(net, integers((1, 1, 15, 9))), integers((1, 1, 16, 16)), refute=False).strides == (4, 4)


def test_trains() -> None:
    net, x = integral(Functional(), SEED), integers((4, 1, 8, 8))
    mended = symmetrize(net, x[:1]).train()
    optimizer = torch.optim.SGD(mended.parameters(), lr=1e-6)
    start = [p.detach().clone() for p in mended.parameters()]
    mended(x).sum().backward()
    optimizer.step()
    assert all(not torch.equal(a, b) for a, b in zip(start, mended.parameters(), strict=True))
    mended.eval()
    y = integers((1, 1, 8, 8), 9)
    assert torch.allclose(mended(torch.roll(y, (2, 6), (-2, -1))), mended(y), rtol=1e-12)


def test_gradients_are_those_of_the_wrapped_function() -> None:
    conv = symmetrize(nn.Conv2d(1, 1, 3, padding=(1, 4)).double().eval(), torch.zeros(1, 1, 4, 3, dtype=torch.float64))
    x = torch.randn(1, 1, 4, 3, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(conv, (x,))


def test_batch_statistics_and_hooks_and_parametrisations_survive() -> None:
    net = nn.Sequential(nn.Conv2d(1, 2, 3, padding=1), nn.BatchNorm2d(2))
    torch.nn.utils.parametrizations.weight_norm(net[0])
    net.eval()
    seen: list[Tensor] = []
    net[0].register_forward_hook(lambda _m, _a, out: seen.append(out))
    mended = symmetrize(net, torch.randn(1, 1, 8, 8))
    assert list(mended.state_dict()) == list(net.state_dict())
    seen.clear()
    y = mended.train()(torch.randn(4, 1, 8, 8))
    assert len(seen) == 1
    assert not torch.equal(mended[1].running_mean, net[1].running_mean)
    y.sum().backward()


def test_copies_pickles_and_exports() -> None:
    net, x = integral(ImageAndVector(), SEED), integers((1, 1, 8, 8))
    mended = symmetrize(net, x)
    program = torch.export.export(mended, (x,))
    buffer = io.BytesIO()
    torch.export.save(program, buffer)
    buffer.seek(0)
    for other in (copy.deepcopy(mended), pickle.loads(pickle.dumps(mended)), torch.export.load(buffer).module()):
        assert torch.equal(other(x), mended(x))
        assert not torch.equal(other(x), net(x))
    # nothing but torch's own operations is needed to run the program
    assert all(str(n.target).startswith("aten.") for n in program.graph.nodes if n.op == "call_function")


@pytest.mark.parametrize("make", [Residual, Functional])
def test_compiles_to_the_same_function(make: type[nn.Module]) -> None:
    """torch.compile does not show functional.pad to modes: modules that pad by it must be left to run as they are."""
    net, x = integral(make(), SEED), integers((1, 1, 16, 16))
    mended = symmetrize(net, x)
    compiled = torch.compile(copy.deepcopy(mended), backend="eager")
    with torch.no_grad():
        assert torch.equal(compiled(x), mended(x))
    torch.compiler.reset()


def test_symmetrizes_along_the_named_axes_only() -> None:
    net, x = integral(nn.Sequential(nn.Conv2d(1, 2, 3, padding=1))), integers((1, 1, 8, 8))
    wide = symmetrize(net, x, axes=-1)
    expected = F.conv2d(F.pad(x, (1, 1, 0, 0), mode="circular"), net[0].weight, net[0].bias, padding=(1, 0))
    assert torch.equal(wide(x), expected)
    both = symmetrize(wide, x)
    assert torch.equal(both(x), symmetrize(net, x)(x))


def test_lines_and_volumes() -> None:
    line = symmetrize(integral(nn.Conv1d(1, 2, 3, padding=1)), integers((1, 1, 8)), axes=-1)
    assert certify(line, integers((1, 1, 8)), axes=-1, refute=False).strides == (1,)
    solid = integral(nn.Sequential(nn.Conv3d(1, 1, 3, padding=1), nn.MaxPool3d(2, 1, 1), nn.AvgPool3d(2, 1)))
    cube, axes = integers((1, 1, 4, 4, 4)), (-3, -2, -1)
    assert certify(symmetrize(solid, cube, axes=axes), cube, axes=axes, refute=False).strides == (1, 1, 1)


def test_a_pad_that_must_stay_stays_and_its_twin_line_wraps() -> None:
    net, x = integral(ImageAndVector(), SEED), integers((1, 1, 8, 8))
    mended = symmetrize(net, x)
    image = F.pad(x, (1, 1, 1, 1), mode="circular")
    v = net.conv(image).mean((-2, -1))
    assert torch.equal(mended(x), net.mix(F.pad(v.unsqueeze(1), (1, 1), value=5.0)))


class OneLine(nn.Module):
    """A helper pads the image and a vector: at run time the two calls look alike."""

    @staticmethod
    def pad(x: Tensor) -> Tensor:
        return F.pad(x, (1, 1))

    def forward(self, x: Tensor) -> Tensor:
        return sum(F.max_pool1d(self.pad(y), 3, 1).mean() for y in (x, x.mean(-1, keepdim=True)))


def test_refuses_to_guess_which_pad_of_one_line_is_meant() -> None:
    with pytest.raises(SymmetrizationError, match=r"test_symmetrize.py:\d+: pads the image and, at the same place"):
        symmetrize(OneLine().eval(), torch.randn(1, 2, 8), axes=-1)


class Unseen(nn.Module):
    """Normalises over neighbouring channels, by a torch function that pads out of sight, beside a pad of its own."""

    def forward(self, x: Tensor) -> Tensor:
        x = F.pad(x, (1, 1, 1, 1))
        x = F.max_pool2d(x, 3, 1)
        return F.local_response_norm(x, 3).mean((-2, -1))


def test_pads_that_torch_makes_by_itself_do_not_confuse_those_of_the_model() -> None:
    x = integers((1, 4, 8, 8))
    mended = symmetrize(Unseen().eval(), x)
    assert certify(mended, x, refute=False).strides == (1, 1)


def test_a_network_that_needs_nothing_is_copied() -> None:
    circular = nn.Sequential(nn.Conv2d(1, 2, 3, padding=1, padding_mode="circular"), nn.ReLU()).eval()
    x = torch.randn(1, 1, 8, 8)

    class PaddedSum(nn.Module):
        """Invariant as it stands, and not once its padding wraps: the border would count twice."""

        def forward(self, x: Tensor) -> Tensor:
            return F.pad(x, (2, 2, 2, 2)).relu().sum()

    for net in (circular, nn.Sequential(nn.Conv2d(1, 2, 3)).eval(), PaddedSum().eval()):
        copied = symmetrize(net, x)
        assert copied is not net
        assert [type(m) for m in copied.modules()] == [type(m) for m in net.modules()]
        assert torch.equal(copied(x), net(x))
    assert certify(copied, x, refute=False).strides == (1, 1)


def test_traced_graphs_and_exported_programs() -> None:
    net, x = integral(Functional(), SEED), integers((1, 1, 8, 8))
    expected = symmetrize(net, x)(x)
    traced = symmetrize(torch.fx.symbolic_trace(net).eval(), x)
    program = torch.export.export(net, (x,))
    loaded = symmetrize(program, x)
    for other in (traced, copy.deepcopy(traced), loaded, copy.deepcopy(loaded)):
        assert torch.equal(other(x), expected)
    assert torch.equal(program.module()(x), net(x))


class Unannotated(ImageAndVector):
    """torch 2.13 cannot pickle a graph traced from a forward whose annotations are strings."""

    def forward(self, x):
        return super().forward(x)


def test_a_traced_graph_pickles_and_leaves_alone_what_must_stay() -> None:
    net, x = integral(Unannotated(), SEED), integers((1, 1, 8, 8))
    traced = symmetrize(torch.fx.symbolic_trace(net).eval(), x)
    assert torch.equal(pickle.loads(pickle.dumps(traced))(x), symmetrize(net, x)(x))


def test_a_traced_graph_that_calls_modules() -> None:
    net, x = integral(Residual(), SEED), integers((1, 1, 16, 16))
    assert torch.equal(symmetrize(torch.fx.symbolic_trace(net).eval(), x)(x), symmetrize(net, x)(x))


def test_refuses_other_methods_and_what_certify_refuses() -> None:
    net, x = nn.Conv2d(1, 1, 3, padding=1), torch.randn(1, 1, 8, 8)
    with pytest.raises(ValueError, match="method: got 'mirror'; pass \"circular\""):
        symmetrize(net.eval(), x, method="mirror")
    with pytest.raises(ValueError, match="training mode"):
        symmetrize(net.train(), x)
    with pytest.raises(ValueError, match="axes"):
        symmetrize(net.eval(), x, axes=())
    with pytest.raises(TypeError, match="model: got type"):
        symmetrize(nn.Conv2d, x)


@torch.library.custom_op("equiconv_tests::mystery", mutates_args=())
def mystery(x: Tensor) -> Tensor:
    return x.flip(-1)


@mystery.register_fake
def _(x: Tensor) -> Tensor:
    return torch.empty_like(x)


class Mysterious(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return mystery(F.max_pool2d(x, 3, 1, 1))


def test_names_the_operation_that_stands_in_the_way() -> None:
    with pytest.raises(SymmetrizationError, match=r"equiconv_tests.mystery.default .*test_symmetrize.py"):
        symmetrize(Mysterious().eval(), torch.randn(1, 1, 8, 8))


def test_a_result_that_falls_short_is_not_returned() -> None:
    """The certificate decides: here a forward on the instance takes the place of the class's, and nothing wraps."""
    net = nn.Sequential(nn.Conv2d(1, 1, 3, padding=1)).eval()
    net[0].forward = nn.Conv2d.forward.__get__(net[0])
    with pytest.raises(
        SymmetrizationError, match=r"should keep Z × Z, but \{0\} × \{0\} is what certifies(?s:.*)padding: 0"
    ):
        symmetrize(net, torch.randn(1, 1, 8, 8))

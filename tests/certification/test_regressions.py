"""Uses that once made a certificate wrong or crashed the certifier, beyond those of the small networks."""

from __future__ import annotations

import copy
import json
from fractions import Fraction
from operator import getitem

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from equiconv.certification import Window, certify
from equiconv.certification.derivation import derive
from equiconv.certification.records import digest_of
from equiconv.certification.refutation import draws, unexplained
from equiconv.certification.registry import RULES, Rule
from equiconv.certification.rules.resampling import _matrix
from equiconv.certification.states import Signal, Still, Sum
from equiconv.certification.step import Step
from equiconv.certification.validation import Draw
from equiconv.certification.verification import verify
from equiconv.graph import CaptureError, capture
from equiconv.graph.wrapping import bind
from tests.certification.networks import Net

X = torch.randn(1, 1, 12, 8, generator=torch.Generator().manual_seed(0))


# A rule that is wrong -------------------------------------------------------------------------------------------------


def _claims_too_little(step):
    return step.result(step.signal("self").dims[:-1])


def _breaks_a_window(step):
    x = step.signal("self")
    return step.result([*x.dims[:-1], (Window(8, 1, Fraction(3), 8),)])


def _trips(step):
    return step.arguments["no such argument"]


@pytest.mark.parametrize(
    ("transfer", "words"),
    [
        (_claims_too_little, "contradicted itself"),
        (_breaks_a_window, "contradicted itself"),
        (_trips, "does not cover this use"),
    ],
)
def test_a_rule_that_fails_ends_undecided(monkeypatch: pytest.MonkeyPatch, transfer, words: str) -> None:
    monkeypatch.setitem(RULES, "aten.relu.default", Rule("aten.relu.default", "pointwise", "pointwise", transfer))
    certificate = certify(Net(lambda x: x.relu().tanh()).eval(), X)
    assert (certificate.kind, certificate.strides, certificate.exact) == ("undecided", (12, 8), False)
    assert [u.operation for u in certificate.unknown] == ["aten.relu.default"]
    assert words in certificate.unknown[0].reason
    # what follows the operation claims nothing either
    assert certificate.claims[-1].state.strides == (12, 8)


def test_an_operation_with_several_results_is_no_pointwise_one() -> None:
    certificate = certify(Net(lambda x: torch.frexp(x)[0]).eval(), X)
    assert certificate.kind == "undecided"
    assert certificate.unknown[0].operation == "aten.frexp.Tensor"


def test_a_number_read_off_the_image_is_no_constant() -> None:
    """x·T(x) with T(x) read by item(): no claim behind it may call that number a constant."""
    net = Net(lambda x: x * x[0, 0, 3, 3].item()).eval()
    certificate = certify(net, X)
    assert certificate.kind == "undecided"
    assert certificate.claims[-1].state.strides == (12, 8)
    assert not certificate.check(net, X).violations


# Constants ------------------------------------------------------------------------------------------------------------


def test_a_constant_of_the_default_dtype_runs_in_double_precision() -> None:
    net = Net(lambda x: x @ torch.linspace(0, 1, 8)).eval()
    certificate = certify(net, X)
    assert (certificate.strides, certificate.kind, certificate.exact) == ((1, 8), "equivariant", True)
    assert certificate.check(net, X)


def test_generic_weights_choose_no_positions() -> None:
    """An index computed from a weight holds for that weight only."""

    class Chosen(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.order = nn.Parameter(torch.arange(8.0))

        def forward(self, x: Tensor) -> Tensor:
            return x.index_select(3, self.order.argsort())

    assert certify(Chosen().eval(), X).strides == (1, 1)
    assert certify(Chosen().eval(), X, weights="generic").strides == (1, 8)


def test_a_number_read_off_a_generic_weight_is_generic_too() -> None:
    """Zero here, so that the ramp vanishes; another weight would let the image be seen from a fixed place."""

    class Ramp(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.slope = nn.Parameter(torch.zeros(1))

        def forward(self, x: Tensor) -> Tensor:
            return x + torch.arange(8.0) * self.slope.item()

    assert certify(Ramp().eval(), X).strides == (1, 1)
    assert certify(Ramp().eval(), X, weights="generic").kind == "undecided"


def test_buffers_on_the_meta_device_have_no_values() -> None:
    class Positions(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.register_buffer("positions", torch.zeros(12, 1, device="meta"))

        def forward(self, x: Tensor) -> Tensor:
            return x + self.positions

    certificate = certify(Positions().eval(), torch.empty(1, 1, 12, 8, device="meta"), weights="generic")
    assert certificate.strides == (12, 1)


# Circular twin --------------------------------------------------------------------------------------------------------


def test_the_circular_twin_of_a_ceil_mode_pool_keeps_its_shape() -> None:
    """torch drops a last window that starts in the padding; once the padding wraps, nothing tells it to."""
    net = Net(lambda x: F.max_pool2d(x, (1, 2), (1, 3), (0, 1), ceil_mode=True).view(1, 12, 3)).eval()
    certificate = certify(net, X, padding="circular")
    assert certificate.strides == (1, 8)
    assert certificate.check(net, X)


# Exactness ------------------------------------------------------------------------------------------------------------


def test_a_roll_is_found_under_a_large_mean_and_beside_infinities() -> None:
    base = torch.randn(1, 12, 8, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    layout = Signal((1, 1), ((), (Window(12, 0, Fraction(1), 12),), (Window(8, 1, Fraction(1), 8),)))
    for value in (
        base + 1e9,
        base.relu().log(),
        torch.where(base > 1, torch.inf, base),
        base > 0,
        torch.complex(base, base.flip(1)),
    ):
        rolled = torch.roll(value, (5, 3), (1, 2))
        assert unexplained(rolled, value, layout) == 0
        rolled[0, 0, 0] = ~rolled[0, 0, 0] if rolled.dtype is torch.bool else rolled[0, 0, 1] + 1
        assert unexplained(rolled, value, layout) > 0


def test_a_concatenation_may_roll_block_by_block() -> None:
    tokens, other = torch.randn(12, dtype=torch.float64), torch.randn(3, dtype=torch.float64)
    layout = Signal((1, 1), ((Sum(((Still(3),), (Window(12, 0, Fraction(1), 12),))),),))
    base = torch.cat([other, tokens])
    assert unexplained(torch.cat([other, tokens.roll(5)]), base, layout) == 0
    assert unexplained(torch.cat([other + 1, tokens.roll(5)]), base, layout) > 0
    assert unexplained(torch.cat([other, tokens.roll(5)]), base, None) > 0


def test_a_bit_that_rounding_flips_has_a_floor() -> None:
    """x̄ > x̄ of the reversed image: equal over the reals, so that in floating point rounding decides."""
    net = Net(lambda x: (x.mean((1, 2, 3)) > x.flip(3).mean((1, 2, 3)), x.mean((1, 2, 3)) > -9)).eval()
    graph = capture(net, (X,))
    floors = graph.rounding([X], torch.float64, samples=16)
    assert [floors[name] for _, name in graph.outputs] == [1.0, 0.0]


def test_integer_images_are_drawn_too() -> None:
    image = torch.arange(96).reshape(1, 1, 12, 8)
    certificate = certify(Net(lambda x: (x // 3).float().mean((2, 3))).eval(), image)
    assert certificate.kind == "invariant"
    drawn = draws([image], 1, 0)[0][0]
    assert not torch.equal(drawn, image)
    assert torch.equal(drawn.flatten().sort()[0], image.flatten())
    moving = certify(Net(lambda x: (x // 3).relu()).eval(), image)
    assert not moving.notes


# What a model may do when it runs -------------------------------------------------------------------------------------


def test_writing_to_the_input_is_no_state() -> None:
    example = X.clone()
    certificate = certify(
        nn.Sequential(nn.ReLU(inplace=True), nn.Conv2d(1, 1, 3, padding=1, padding_mode="circular")).eval(), example
    )
    assert (certificate.strides, certificate.kind) == ((1, 1), "equivariant")
    assert torch.equal(example, X)


def test_a_counter_is_state_and_stays_as_it_was() -> None:
    class Counter(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.register_buffer("calls", torch.zeros(()))

        def forward(self, x: Tensor) -> Tensor:
            self.calls.add_(1)
            return x * self.calls

    net = Counter().eval()
    certificate = certify(net, X)
    assert certificate.kind == "undecided"
    assert any("calls" in note for note in certificate.notes)
    assert float(net.calls) == 0


def test_a_program_with_a_dynamic_batch_is_certified_at_the_examples() -> None:
    net = nn.Sequential(nn.Conv2d(1, 1, 3, padding=1, padding_mode="circular"), nn.ReLU()).eval()
    program = torch.export.export(
        net, (torch.randn(2, 1, 12, 8),), dynamic_shapes=({0: torch.export.Dim("batch", min=1, max=9)},)
    )
    certificate = certify(program, torch.randn(4, 1, 12, 8))
    assert (certificate.strides, certificate.outputs[0].shape) == ((1, 1), (4, 1, 12, 8))


# Refusals -------------------------------------------------------------------------------------------------------------


def test_refusals_say_what_to_do() -> None:
    relu = nn.ReLU().eval()
    with pytest.raises(CaptureError, match=r"lazy module.*run the model once"):
        certify(nn.LazyConv2d(2, 3).eval(), X)
    with pytest.raises(CaptureError, match=r"TorchScript.*pass the torch\.nn\.Module"):
        certify(torch.jit.trace(copy.deepcopy(relu), X), X)
    with pytest.raises(CaptureError, match=r"example: .*sparse.*pass a dense one"):
        certify(relu, X[0, 0].to_sparse())
    with pytest.raises(CaptureError, match=r"example: the model does not run on it.*to have 3 channels"):
        certify(nn.Conv2d(3, 1, 3).eval(), X)
    with pytest.raises(ValueError, match="no entries; pass a batch"):
        certify(relu, torch.zeros(0, 1, 12, 8))
    for axes in (1.5, "hw", True, (0.5, 1)):
        with pytest.raises(TypeError, match="axes: got"):
            certify(relu, X, axes=axes)
    with pytest.raises(TypeError, match="seed: got"):
        certify(relu, X, seed="0")


def test_a_branch_on_the_data_is_refused_quietly(capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(CaptureError, match=r"torch\.where or torch\.cond"):
        certify(Net(lambda x: x if x.sum() > 0 else -x).eval(), X)
    said = capfd.readouterr()
    assert "def forward" not in said.out + said.err


def test_a_recurrent_network_is_not_called_random() -> None:
    """torch tags recurrent layers as random, for the dropout between layers in training."""

    class Last(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.rnn = nn.LSTM(3, 4, batch_first=True)

        def forward(self, x):
            return self.rnn(x)[0]

    certificate = certify(Last().eval(), torch.randn(1, 5, 3), axes=1)
    assert (certificate.kind, certificate.strides, certificate.exact) == ("none", (5,), True)
    assert [o.cause for o in certificate.obstacles] == ["order"]


@pytest.mark.parametrize(
    "combine",
    [lambda x, z: torch.copysign(x.abs() + 1, z), lambda x, z: 1 / (z * x.abs())],
    ids=["copysign", "division"],
)
def test_a_constant_whose_zeros_differ_in_sign_is_not_alike_everywhere(combine) -> None:
    """0 == −0, and yet what follows can tell them apart."""
    zeros = torch.tensor([0.0, -0.0] * 4)
    certificate = certify(Net(lambda x: combine(x, zeros)).eval(), X, refute=False)
    assert certificate.strides == (1, 2)
    plain = certify(Net(lambda x: combine(x, zeros.abs())).eval(), X, refute=False)
    assert plain.strides == (1, 1)


@pytest.mark.parametrize("mode", ["bilinear", "bicubic"])
@pytest.mark.parametrize(("d", "size", "out"), [(0, 12, 6), (1, 8, 4)])
def test_the_matrix_of_an_antialiased_resampling_is_the_operation_along_each_dim(
    mode: str, d: int, size: int, out: int
) -> None:
    """On an image one entry wide torch gives every row the weights of the first: the probe must be wider."""

    def resample(x: Tensor) -> Tensor:
        return F.interpolate(x, size=(6, 4), mode=mode, antialias=True)

    graph = capture(Net(resample).eval(), (X,), {})
    node = next(n for n in graph.nodes if "upsample" in n.operation)
    args, kwargs = torch.fx.node.map_arg((node.args, dict(node.kwargs)), lambda n: X)
    found = _matrix(Step(node, bind(node.target, args, kwargs), (12, 8), False), 2, d, size, out)
    signal = torch.arange(float(size), dtype=torch.float64) ** 2
    wide = signal.view(-1, 1).expand(12, 8) if d == 0 else signal.view(1, -1).expand(12, 8)
    result = resample(wide[None, None])[0, 0]
    torch.testing.assert_close(found @ signal, result[:, 0] if d == 0 else result[0])


@pytest.mark.parametrize("scale", [41, 47])
def test_nearest_rounds_its_positions_in_the_precision_of_the_image(scale: int) -> None:
    """41·(1/41) is 1 in double precision and less than 1 in single: there torch takes another entry for some positions."""
    net = Net(lambda x: F.interpolate(x, scale_factor=(1, scale))).eval()
    certificate = certify(net, X, refute=False)
    base, stride = net(X), certificate.strides[1]
    moved = net(X.roll(stride, -1))
    assert torch.equal(moved, base.roll(stride * scale, -1))
    assert not torch.equal(net(X.roll(1, -1)), base.roll(scale, -1))  # what double precision alone would claim


def test_a_check_counts_what_it_compares() -> None:
    """The input moves by definition, and of one entry cut out of a row nothing is left to compare: neither is a claim checked."""
    assert certify(Net(lambda x: x).eval(), X, refute=False).check(Net(lambda x: x).eval(), X).claims == 0
    net = Net(lambda x: x[..., 3:4]).eval()
    report = certify(net, X, refute=False).check(net, X)
    assert {shift[1] for shift in report.shifts} == {0, 1, 2, 4, 7}  # of a crop, multiples too
    assert report.claims == 1  # the height


def test_a_checker_sees_that_a_tensor_is_laid_out_as_claimed() -> None:
    from equiconv.certification.checker import layout_error
    from equiconv.certification.states import Uniform

    row = torch.arange(3.0, dtype=torch.float64)
    repeated = Signal((1,), ((Window(6, 0, Fraction(1), 3),),))
    assert layout_error(row.repeat(2), repeated) == 0
    assert layout_error(torch.arange(6.0, dtype=torch.float64), repeated) == 3
    assert layout_error(row[:1].expand(3), Signal((1,), ((Uniform(3),),))) == 0
    assert layout_error(row, Signal((1,), ((Uniform(3),),))) == 2
    blocks = Signal((1,), ((Sum(((Uniform(2),), (Window(3, 0, Fraction(1), 3),))),),))
    assert layout_error(torch.cat([row[1:2], row[1:2], row]), blocks) == 0
    assert layout_error(torch.cat([row[:2], row]), blocks) == 1


def test_a_result_is_known_to_its_last_place_at_best() -> None:
    """One entry: a small perturbation often rounds away, and a floor of 0 would call rounding a broken symmetry."""
    total = Net(lambda x: x.flatten() @ torch.ones(96).to(x)).eval()
    graph = capture(total, (X,))
    value = float(graph.run([X], dtype=torch.float64)[0].abs())
    assert graph.rounding([X], torch.float64)[graph.outputs[0][1]] >= torch.finfo(torch.float64).eps * value


# Found by random networks ---------------------------------------------------------------------------------------------


def _places_of_maxima(x: Tensor) -> Tensor:
    flat = x.mean((2, 3), keepdim=True).expand(1, 1, 12, 8)
    return x * F.max_pool2d(flat, 1, return_indices=True)[1]


def _places_of_adaptive_maxima(x: Tensor) -> Tensor:
    flat = x.mean((2, 3), keepdim=True).expand(1, 1, 12, 8)
    return x * F.adaptive_max_pool2d(flat, (12, 8), return_indices=True)[1]


@pytest.mark.parametrize("function", [_places_of_maxima, _places_of_adaptive_maxima])
def test_positions_of_equal_values_differ(function) -> None:
    """Each is 0, 1, 2, …: multiplied by the image, only the zero shift is left."""
    net = Net(function).eval()
    certificate = certify(net, X)
    assert certificate.strides == (12, 8)
    assert not certificate.check(net, X).violations


def test_a_block_without_entries_is_checked() -> None:
    net = Net(lambda x: torch.split(torch.cat([torch.ones_like(x[:, :, :1]), x], 2), [0, 13], 2)[1]).eval()
    assert certify(net, X).check(net, X)


# Uses that no rule foresaw --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "scalar",
    [
        lambda t: t.softmax(0),
        lambda t: t.sort()[0],
        lambda t: t.topk(1)[0],
        lambda t: t.cumsum(0),
        lambda t: t.gather(0, torch.tensor([0])),
        lambda t: t.index_select(0, torch.tensor([0])),
    ],
)
def test_a_tensor_without_dims_does_not_move(scalar) -> None:
    """What a rule trips over (a dim modulo 0 dims) is a function of what does not move all the same."""
    net = Net(lambda x: scalar(x.square().sum())).eval()
    certificate = certify(net, X)
    assert (certificate.strides, certificate.kind, certificate.exact) == ((1, 1), "invariant", True)
    assert "partial_reduction" in {c.theorem for c in certificate.claims}
    assert certificate.verify(net, X)
    moving = certify(Net(lambda x: scalar(x.square().sum()) + x.cumsum(2)).eval(), X)
    assert moving.strides == (12, 1)


def test_a_rule_that_trips_over_what_moves_is_not_saved_by_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(RULES, "aten.relu.default", Rule("aten.relu.default", "pointwise", "pointwise", _trips))
    assert certify(Net(lambda x: x.sum().relu()).eval(), X).strides == (1, 1)
    assert certify(Net(lambda x: x.relu().sum()).eval(), X).kind == "undecided"
    drawn = certify(Net(lambda x: torch.rand_like(x.sum())).eval(), X)
    assert drawn.kind == "undecided"


def test_a_place_that_depends_on_the_input_is_said() -> None:
    certificate = certify(Net(lambda x: x[0, 0][x.sum((0, 1, 3)).argmax()]).eval(), X)
    reasons = {u.operation: u.reason for u in certificate.unknown}
    assert "depends on the input" in reasons["aten.select.int"]


def test_a_divisor_that_can_be_0_is_not_taken_for_positive() -> None:
    """|X| + 1 is positive; |X| − 2, which torch may write as add(|X|, 1, alpha=−2), is not, nor is a clamp whose upper end is 0."""

    def ratio(divisor):
        def net(x: Tensor) -> Tensor:
            spectrum = torch.fft.fft2(x)
            return torch.fft.ifft2(spectrum / divisor(spectrum.abs())).abs()

        return certify(Net(net).eval(), X, refute=False).strides

    assert ratio(lambda a: a + 1.0) == (1, 1)
    assert ratio(lambda a: a.clamp(min=0.5)) == (1, 1)
    assert ratio(lambda a: torch.add(a, 1.0, alpha=-2.0)) == (12, 8)
    assert ratio(lambda a: a.clamp(0.5, 0.0)) == (12, 8)


@pytest.mark.parametrize("forged", ["nowhere", "relu"])
def test_a_forged_blame_is_refused(tmp_path, forged: str) -> None:
    """Which reshape cut a digit is no part of its action, but the obstacles name it: a node that there is not ended in a KeyError."""
    net = Net(lambda x: x.reshape(1, 1, 3, 4, 8).relu()).eval()
    path = certify(net, X).save(tmp_path / "c.json")
    assert verify(path, net, X)
    data = json.loads(path.read_text())
    digits = [f for c in data["claims"] for dim in c["state"]["dims"] for f in dim if f.get("node")]
    assert digits
    for digit in digits:
        digit["node"] = forged
    data["digest"] = digest_of(data)
    path.write_text(json.dumps(data))
    assert verify(path, net, X).failures[:1] == ("steps",)


def _behind_a_view(x: Tensor) -> Tensor:
    """The last entries of a tensor whose first ones are the image: four means, which no shift moves."""
    return torch.cat([x.reshape(1, -1), x.mean((1, 2, 3)).expand(1, 4)], 1)[:, -4:]


@pytest.mark.parametrize("read", [torch.as_strided, torch.as_strided_copy])
def test_the_memory_of_a_view_holds_more_than_the_view(read) -> None:
    """as_strided of a view that does not move read the image beside it, and was certified invariant; rounding took the difference for its own."""
    beside = Net(lambda x: read(_behind_a_view(x), (1, 4), (1, 1), 0)).eval()
    assert not torch.equal(beside(X), beside(X.roll(1, 2)))
    certificate = certify(beside, X)
    assert (certificate.strides, certificate.exact) == ((12, 8), True)
    assert certificate.obstacles[-1].cause == "layout"
    own = Net(lambda x: read(_behind_a_view(x).square(), (1, 2), (1, 2), 1)).eval()
    assert certify(own, X).strides == (1, 1)


def test_rounding_finds_memory_as_a_run_does() -> None:
    """A perturbed view in memory of its own made as_strided fail, or read the view in place of what lies beside it."""
    net = Net(lambda x: torch.as_strided(x.reshape(12, 8)[:, 4:], (12, 4), (8, 1), 0).relu()).eval()
    image = X.double()
    floors = capture(net, (image,)).rounding([image])
    assert 0 < max(floors.values()) < 1e-13


@pytest.mark.parametrize("median", [torch.median, torch.nanmedian])
def test_the_median_of_an_expanded_tensor_is_what_torch_makes_of_it(median) -> None:
    """torch selects in place where entries share memory, and returns other values than for a copy (2.14): the law of a median does not hold for it.

    What it returns may even differ between two runs; then capture refuses the network.
    """
    operation = getattr(torch.ops.aten, median.__name__).dim
    draw = Draw(0, (4, 3))
    mean = draw.call(torch.ops.aten.mean.dim, draw.image, [1], True)
    shared = draw.call(torch.ops.aten.expand.default, mean, [-1, 4, -1, -1])
    for copies, strides in ((shared, (4, 3)), (mean, (1, 1))):
        graph = draw.graph([draw.call(getitem, draw.call(operation, copies, 1), 0)])
        assert derive(graph, (4, 3), {"x": (2, 3)}).states[graph.outputs[0][1]].strides == strides

    def net(x: Tensor) -> Tensor:
        return median(x.mean(1, keepdim=True).expand(1, 4, 12, 8).clone(), 1).values

    assert (certify(Net(net).eval(), X).strides, certify(Net(net).eval(), X).exact) == ((1, 1), True)


# Casts in disguise ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "cast",
    [
        lambda z: z.sum(1, dtype=torch.float64),
        lambda z: z.mean((0, 1), dtype=torch.float64),
        lambda z: torch.slice_scatter(torch.ones(1, 1, 12, 8), z, 2, 0, 12),
        lambda z: torch.slice_scatter(torch.zeros(1, 1, 12, 8), z.mean(2, keepdim=True), 2, 0, 1),
        lambda z: torch.select_scatter(torch.zeros(1, 1, 12, 8), z.mean(2), 2, 0),
    ],
)
@pytest.mark.filterwarnings("ignore:Casting complex values to real")
def test_a_spectrum_that_becomes_real_keeps_signs_only(cast) -> None:
    """A sum into a real dtype, or a write into a real tensor, takes the real part: a shift by 1 was certified, under which it does not turn."""
    net = Net(lambda x: cast(torch.fft.fft(x, dim=3))).eval()
    certificate = certify(net, X)
    assert certificate.strides[1] == 4
    assert certificate.check(net, X)
    whole = Net(lambda x: torch.fft.fft(x, dim=3).sum(1, dtype=torch.complex128).abs()).eval()
    assert certify(whole, X).strides == (1, 1)


def test_a_rule_that_turns_real_numbers_ends_undecided(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever cast a rule overlooks: a phase other than a sign is none of a real tensor."""
    name = "aten.view_as_real.default"
    net = Net(lambda x: torch.view_as_real(torch.fft.fft(x, dim=3))).eval()
    assert certify(net, X).strides == (1, 4)

    def careless(step):
        return step.result([*step.signal("self").dims, (Still(2),)])

    monkeypatch.setitem(RULES, name, Rule(name, "pointwise", "pointwise", careless, spectral=True))
    certificate = certify(net, X)
    assert certificate.kind == "undecided"
    assert "turns real numbers" in certificate.unknown[0].reason


def test_cuts_of_crops_and_halos_are_cuts_of_the_signal() -> None:
    """What is picked from a crop by a constant index, or joined with a halo, are entries of the signal in its order."""
    crop = Net(lambda x: x[..., :6][..., torch.tensor([3, 2, 1])].relu()).eval()
    certificate = certify(crop, X)
    assert [c.state.strides for c in certificate.claims if c.operation == "aten.index.Tensor"] == [(1, 1)]
    assert certificate.check(crop, X)
    halo = Net(lambda x: (lambda y: torch.cat([y, y[..., 2:8]], 3).sum(3))(torch.cat([x, x[..., :2]], 3).relu())).eval()
    certificate = certify(halo, X)
    assert (certificate.strides, certificate.kind, certificate.exact) == ((1, 1), "equivariant", True)
    assert certificate.check(halo, X)


def test_the_largest_in_no_order_depend_on_where_the_search_starts() -> None:
    """topk(sorted=False) returns them as they were found: it was certified as symmetric in the entries."""
    net = Net(lambda x: x.flatten(2).topk(20, sorted=False)[0]).eval()
    certificate = certify(net, X)
    assert (certificate.strides, certificate.exact) == ((12, 8), True)
    assert {loss.cause for loss in certificate.obstacles} == {"order"}
    assert certify(Net(lambda x: x.flatten(2).topk(20)[0]).eval(), X).strides == (1, 1)


def test_a_network_that_raises_where_it_is_run_is_certified_all_the_same() -> None:
    """What a refuting run raises is said in a note; it ended certify."""
    scale, zero = torch.ones(1), torch.zeros(1, dtype=torch.int32)  # the operation takes no float64

    def net(x: Tensor) -> Tensor:
        return torch.fake_quantize_per_channel_affine(x.mean((2, 3), keepdim=True), scale, zero, 1, 0, 255) + x.cumsum(
            2
        )

    quantized = Net(net).eval()
    certificate = certify(quantized, X)
    assert not certificate.exact
    assert any("raised RuntimeError" in note for note in certificate.notes)

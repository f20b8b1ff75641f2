"""Layers and networks: each kind occurs, those said to follow shifts do and the others do not, and the certifier is sound on all of them."""

from __future__ import annotations

import itertools
import os

import pytest
import torch
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from torch import nn

import equiconv.nn
from equiconv import certify
from equiconv.measurement.outputs import largest_difference
from equiconv.measurement.rounding import BEYOND, rounding_floors
from equiconv.measurement.subject import Subject
from equiconv.testing import strategies
from equiconv.testing.strategies import LAYER_KINDS, DrawnNetwork, grids, layers, networks, seeded
from tests.testing.strategies.finding import every, occurs, smallest

NETWORKS = int(os.environ.get("EQUICONV_DRAWN_NETWORKS", "320")) // 40
NIGHTLY = 2000
ONLY_IMAGES = ("pixel shuffle", "pixel unshuffle")


def normal(*shape: int) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(5), dtype=torch.float64)


def follows(f: nn.Module, x: torch.Tensor, dims: int) -> bool:
    """Brute force: whether each unit shift of the grid changes the output by some roll of its grid, or not at all."""
    axes = tuple(range(-dims, 0))
    with torch.no_grad():
        y = f(x)
        floor = rounding_floors(Subject.of(f, x, axes), [x], Subject.of(f, x, axes).run([x]))[0]
        rolls = [torch.roll(y, r, axes) for r in itertools.product(*map(range, y.shape[2:]))]
        for axis in axes:
            got = f(torch.roll(x, 1, axis))
            if not any(largest_difference(got, rolled) <= BEYOND * floor for rolled in rolls):
                return False
    return True


# Layers --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", LAYER_KINDS)
def test_every_kind_does_what_it_says_about_shifts(kind: str) -> None:
    """On the grids and channels where it fits, with 1 to 3 axes."""
    said = set()

    @settings(max_examples=12, deadline=None, database=None, derandomize=True, suppress_health_check=list(HealthCheck))
    @given(st.data())
    def check(data) -> None:
        dims = 2 if kind in ONLY_IMAGES else data.draw(st.integers(1, 3))
        grid = data.draw(grids(dims, dims, max_side=6, max_size=48))
        channels = 4 if kind == "pixel shuffle" else data.draw(st.integers(1, 4))
        for equivariant in (True, False):
            try:
                strategy = layers(dims, channels, grid, equivariant, [kind])
            except ValueError:  # it does not fit, or says the other of the two: the refusals have a test of their own
                continue
            layer = data.draw(strategy)
            said.add(equivariant)
            assert not layer.training
            assert follows(layer, normal(2, channels, *grid), dims) == equivariant, (layer, grid)

    check()
    assert len(said) == 1


@pytest.mark.parametrize("equivariant", [True, False])
def test_layers_that_follow_shifts_are_told_from_those_that_do_not(equivariant: bool) -> None:
    drawn = layers(2, 3, (4, 5), equivariant)
    every(drawn, lambda layer: follows(layer, normal(1, 3, 4, 5), 2) == equivariant, tries=40)


TYPES = {
    "Conv2d zeros": lambda m: isinstance(m, nn.Conv2d) and m.padding_mode == "zeros" and m.padding != (0, 0),
    "Conv2d circular": lambda m: isinstance(m, nn.Conv2d) and m.padding_mode == "circular" and m.kernel_size != (1, 1),
    "Conv2d reflect": lambda m: isinstance(m, nn.Conv2d) and m.padding_mode == "reflect",
    "Conv2d replicate": lambda m: isinstance(m, nn.Conv2d) and m.padding_mode == "replicate",
    "a stride": lambda m: isinstance(m, nn.Conv2d) and m.stride[0] > 1,
    "a dilation": lambda m: isinstance(m, nn.Conv2d) and m.dilation[0] > 1,
    "groups": lambda m: isinstance(m, nn.Conv2d) and m.groups == 2,
    "1 x 1": lambda m: type(m) is nn.Conv2d and m.kernel_size == (1, 1),
    "transposed": lambda m: isinstance(m, nn.ConvTranspose2d),
    "max pool": lambda m: type(m) is nn.MaxPool2d,
    "average pool": lambda m: type(m) is nn.AvgPool2d,
    "ceil_mode": lambda m: type(m) is nn.MaxPool2d and m.ceil_mode,
    "adaptive average": lambda m: isinstance(m, nn.AdaptiveAvgPool2d) and m.output_size != 1,
    "adaptive max": lambda m: isinstance(m, nn.AdaptiveMaxPool2d) and m.output_size != 1,
    "global": lambda m: isinstance(m, nn.AdaptiveAvgPool2d) and m.output_size == 1,
    "batch norm": lambda m: isinstance(m, nn.BatchNorm2d),
    "group norm": lambda m: isinstance(m, nn.GroupNorm),
    "instance norm": lambda m: isinstance(m, nn.InstanceNorm2d),
    "layer norm": lambda m: isinstance(m, nn.LayerNorm) and not m.elementwise_affine,
    "layer norm, affine": lambda m: isinstance(m, nn.LayerNorm) and m.elementwise_affine,
    "dropout": lambda m: isinstance(m, nn.Dropout | nn.Dropout2d | nn.AlphaDropout),
    "nearest": lambda m: isinstance(m, nn.Upsample) and m.mode == "nearest",
    "bilinear": lambda m: isinstance(m, nn.Upsample) and m.mode == "bilinear",
    "shuffle": lambda m: isinstance(m, nn.PixelShuffle),
    "unshuffle": lambda m: isinstance(m, nn.PixelUnshuffle),
    "channel shuffle": lambda m: isinstance(m, nn.ChannelShuffle),
    "zero pad": lambda m: isinstance(m, nn.ZeroPad2d),
    "constant pad": lambda m: isinstance(m, nn.ConstantPad2d),
    "reflection pad": lambda m: isinstance(m, nn.ReflectionPad2d),
    "replication pad": lambda m: isinstance(m, nn.ReplicationPad2d),
    "circular pad": lambda m: isinstance(m, nn.CircularPad2d),
    "circular pad, then convolution": lambda m: isinstance(m, nn.Sequential),
    "linear": lambda m: isinstance(m, nn.Linear),
    "CircularConv2d": lambda m: isinstance(m, equiconv.nn.CircularConv2d) and m.stride == (1, 1),
    "CircularConv2d longer": lambda m: isinstance(m, equiconv.nn.CircularConv2d) and m.kernel_size[0] > 4,
    "CircularConv2d strided": lambda m: isinstance(m, equiconv.nn.CircularConv2d) and m.stride != (1, 1),
    "CircularMaxPool2d": lambda m: isinstance(m, equiconv.nn.CircularMaxPool2d),
    "CircularAvgPool2d": lambda m: isinstance(m, equiconv.nn.CircularAvgPool2d),
}


def test_every_layer_occurs() -> None:
    missing = dict(TYPES)

    def strike(layer: nn.Module) -> None:
        for name in [name for name, has in missing.items() if has(layer)]:
            del missing[name]

    every(layers(2, 4, (4, 4)), strike, tries=1500)
    assert not missing


def test_every_activation_occurs() -> None:
    drawn = set()
    every(layers(kinds=["activation"]), lambda layer: drawn.add(type(layer).__name__), tries=300)
    assert drawn >= {"ReLU", "Tanh", "Sigmoid", "GELU", "SiLU", "ELU", "LeakyReLU", "Softplus", "PReLU", "Softmax"}
    assert len(drawn) == 17


def test_layers_shrink_to_the_identity_or_the_kind_asked_for() -> None:
    assert type(smallest(layers())) is type(smallest(layers(equivariant=True))) is nn.Identity
    assert isinstance(smallest(layers(equivariant=False)), nn.LayerNorm)
    # What shrinks a convolution keeps it as plain as it can be.
    every(layers(3, kinds=["pooling"]), lambda m: isinstance(m, nn.MaxPool3d | nn.AvgPool3d), tries=10)
    found = smallest(layers(kinds=["zero-padded convolution"]))
    assert (found.in_channels, found.out_channels, found.kernel_size, found.dilation) == (2, 1, (3, 3), (1, 1))


def test_parameters_are_generic_and_seeded() -> None:
    net = nn.Sequential(nn.Conv2d(2, 3, 3), nn.BatchNorm2d(3), nn.PReLU(3), nn.Linear(4, 4))
    values = torch.cat([t.double().flatten() for t in seeded(net, 4).state_dict().values() if t.ndim])
    assert len(values.unique()) == len(values)
    assert not (values == 0).any()
    assert not (values == 1).any()
    assert (net[1].running_var > 0.5).all()
    assert not net.training
    before = net[0].weight.clone()
    assert seeded(net, 4)[0].weight.equal(before)
    assert not seeded(net, 5)[0].weight.equal(before)
    assert seeded(net, 4, "float32")[0].weight.dtype == torch.float32
    assert seeded(net, 4, torch.float32)[0].weight.equal(before.float())


def test_layers_come_in_the_dtype_asked_for() -> None:
    for name in ("float64", "float32", "bfloat16"):
        layer = smallest(layers(1, 2, 5, kinds=["zero-padded convolution"], dtype=name))
        assert layer.weight.dtype == getattr(torch, name)
        assert layer(torch.zeros(1, 2, 5, dtype=layer.weight.dtype)).dtype == layer.weight.dtype


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: layers(4), "dims: torch has layers of 1, 2 and 3 axes, got 4"),
        (lambda: layers(2, 0), "channels: must be an integer, at least 1, got 0"),
        (lambda: layers(2, grid=(4,)), r"grid: \(4,\) has 1 axes, but dims = 2"),
        (lambda: layers(grid=(1, 1), equivariant=False), r"grid: no layer that breaks a shift .* \(1, 1\)"),
        (lambda: layers(grid=(2, 2), kinds=["pooling"]), "grid: no layer of the kinds asked for fits 2 channels"),
        (lambda: layers(kinds=[]), "grid: no layer of the kinds asked for fits"),
        (lambda: layers(equivariant="yes"), "equivariant: must be True, False or None, got 'yes'"),
        (lambda: smallest(layers(grid=st.just((1, 1)), equivariant=False)), "grid: no layer that breaks a shift"),
        (lambda: smallest(networks(grid=st.just((4,)))), r"grid: \(4,\) has 1 axes, but dims = 2"),
        (lambda: networks(grid=(4,)), r"grid: \(4,\) has 1 axes, but dims = 2"),
        (lambda: layers(kinds=["conv"]), "kinds: got 'conv'; choose one of 'identity'"),
        (lambda: smallest(layers(dtype="complex64")), "dtype: torch has few layers of complex numbers"),
        (lambda: networks(head="linear"), "head: got 'linear'; choose one of 'any', 'none', 'pool', 'flatten'"),
        (lambda: networks(head="flatten", equivariant=True), "head: a linear layer on a flattened image follows no"),
        (lambda: networks(equivariant=False), r"equivariant: must be True or None, got False; layers\(equivariant="),
        (lambda: networks(max_layers=0), "max_layers: must be an integer, at least 1, got 0"),
        (lambda: networks(0), "dims: must be an integer, at least 1, got 0"),
    ],
)
def test_what_cannot_be_drawn_is_refused(call, message: str) -> None:
    with pytest.raises((TypeError, ValueError), match=message):
        call()


# Networks ------------------------------------------------------------------------------------------------------------


def _has(kind: type[nn.Module]):
    return lambda network: any(isinstance(m, kind) for m in network.model.modules())


@pytest.mark.parametrize(
    ("what", "condition"),
    {
        "one layer": lambda n: len(n.model) == 1,
        "four layers and no head": lambda n: len(n.model) == 4 and not _has(nn.Flatten)(n),
        "a pooled head": lambda n: (
            isinstance(n.model[-2], nn.Flatten) and isinstance(n.model[-3], nn.AdaptiveAvgPool2d)
        ),
        "a flattened head": lambda n: _has(nn.Flatten)(n) and n.model[-1].in_features > 8,
        "a residual block": _has(strategies.Residual),
        "branches": _has(strategies.Branches),
        "residual, then branches": lambda n: _has(strategies.Residual)(n) and _has(strategies.Branches)(n),
        "an image that is not square": lambda n: n.grid[0] != n.grid[1] and min(n.grid) > 1,
        "a row": lambda n: n.grid[0] == 1 < n.grid[1],
        "three channels": lambda n: n.input_shape[1] == 3,
    }.items(),
)
def test_networks_of_every_kind_occur(what: str, condition) -> None:
    assert occurs(networks(), lambda n: len(n.model) > 2 and condition(n) if "head" in what else condition(n)), what


def test_networks_take_and_name_their_input() -> None:
    def check(network: DrawnNetwork) -> None:
        x = network.example(3)
        assert x.shape == network.input_shape == (2, 3, *network.grid)
        assert network.axes == (-3, -2, -1)
        assert x.dtype == torch.float32
        assert network.model(x).dtype == torch.float32
        assert not network.model.training
        assert x.equal(network.example(3))

    every(networks(3, channels=3, max_size=24, dtype="float32", batch=2), check, tries=15)


def test_networks_print_as_what_makes_them_again() -> None:
    def check(network: DrawnNetwork) -> None:
        bound: dict[str, DrawnNetwork] = {}
        exec(str(network), bound)
        again = bound["network"]
        x = network.example()
        assert again.model(x).equal(network.model(x))
        assert again.input_shape == network.input_shape
        assert again.dtype == network.dtype

    for dims in (1, 2, 3):
        every(networks(dims, max_size=24), check, tries=15)


def test_networks_shrink() -> None:
    network = smallest(networks())
    assert [type(m) for m in network.model] == [nn.Identity]
    assert network.input_shape == (1, 1, 1, 1)
    network = smallest(networks(grid=(4, 4), head="none"), lambda n: not follows(n.model, n.example(), 2))
    assert [type(m) for m in network.model] == [nn.LayerNorm]


def test_branches_and_heads_can_be_left_out() -> None:
    plain = networks(branches=False, head="none")
    every(plain, lambda n: not (_has(strategies.Residual)(n) or _has(strategies.Branches)(n) or _has(nn.Flatten)(n)))
    every(networks(head="pool", max_size=16), lambda n: n.model(n.example()).shape == (1, 3), tries=15)


# The certifier -------------------------------------------------------------------------------------------------------


def contradicted(network: DrawnNetwork, certificate) -> list[tuple[tuple[int, ...], float]]:
    """The shifts of the certified subgroup, every one of them, that the output does not follow as certified."""
    x, wrong = network.example(1), []
    output = certificate.outputs[0]
    if output.kind not in ("invariant", "equivariant"):
        return wrong
    subject = Subject.of(network.model, x, network.axes)
    base = subject.run([x])
    floor = rounding_floors(subject, [x], base)[0]
    for g in itertools.product(*(range(0, n, s) for n, s in zip(network.grid, certificate.strides, strict=True))):
        expected = base[0].value
        for axis, dim, step in output.actions:
            expected = torch.roll(expected, round(g[axis] / step), dim)
        error = largest_difference(subject.run([torch.roll(x, g, network.axes)])[0].value, expected)
        if error > BEYOND * floor:
            wrong.append((g, error))
    return wrong


def survive(count: int, equivariant: bool | None, phases=tuple(Phase)) -> int:
    """Certify so many networks; every claim is checked, every certified shift tried. Returns how many claims there were."""
    claims = 0
    options = {"deadline": None, "database": None, "derandomize": True, "suppress_health_check": list(HealthCheck)}

    @settings(max_examples=count, phases=phases, **options)
    @given(st.sampled_from((2, 1, 3)).flatmap(lambda dims: networks(dims, max_size=36, equivariant=equivariant)))
    def run(network: DrawnNetwork) -> None:
        nonlocal claims
        x = network.example()
        certificate = certify(network.model, x, axes=network.axes, refute=False)
        assert not certificate.unknown
        assert not contradicted(network, certificate)
        if equivariant:
            assert certificate.strides == (1,) * len(network.axes), certificate.obstacles
            assert certificate.kind in ("invariant", "equivariant")
        report = certificate.check(network.model, x)
        assert not report.violations, str(report)
        claims += report.claims

    run()
    return claims


@pytest.mark.parametrize("equivariant", [None, True])
def test_drawn_networks_are_decided_and_no_claim_is_contradicted(equivariant: bool | None) -> None:
    """Those that are built to follow every shift are certified to."""
    assert survive(NETWORKS, equivariant) > NETWORKS


@pytest.mark.nightly
@pytest.mark.parametrize("equivariant", [None, True])
def test_thousands_of_drawn_networks(equivariant: bool | None) -> None:
    assert survive(NIGHTLY, equivariant) > NIGHTLY


def test_a_false_rule_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    """A layer normalisation whose rule does not look at its weights, one for each place, is contradicted."""
    from equiconv.certification.registry import RULES, Rule
    from equiconv.certification.states import Signal

    def careless(step) -> Signal:
        x = step.arguments["input"]
        return Signal(x.strides, x.dims)

    old = RULES["aten.layer_norm.default"]
    monkeypatch.setitem(RULES, old.target, Rule(old.target, old.family, old.theorem, careless))
    with pytest.raises(AssertionError):
        survive(60, None, phases=(Phase.generate,))


def test_the_brute_force_can_tell() -> None:
    """The comparison itself: a convolution that wraps follows, one that does not is found out, and so is one odd weight."""
    x = normal(1, 1, 4, 4)
    assert follows(seeded(nn.Conv2d(1, 1, 3, padding=1, padding_mode="circular")), x, 2)
    assert not follows(seeded(nn.Conv2d(1, 1, 3, padding=1)), x, 2)
    certificate = certify(seeded(nn.Conv2d(1, 1, 1)), x)
    assert certificate.strides == (1, 1)
    assert not contradicted(DrawnNetwork(seeded(nn.Conv2d(1, 1, 1)), (1, 1, 4, 4)), certificate)
    assert contradicted(DrawnNetwork(seeded(nn.Conv2d(1, 1, 3, padding=1)), (1, 1, 4, 4)), certificate)

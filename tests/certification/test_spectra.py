"""Networks that work on spectra: filters, Fourier neural operators, spectral pooling, phase correlation; by brute force over all shifts, and attacked."""

from __future__ import annotations

import copy
import itertools
import os

import pytest
import torch
from torch import Tensor, fft, nn

from equiconv.certification import Certificate, certify, registry
from equiconv.certification.spectra import has_spectrum
from equiconv.certification.states import Frequency, Signal, Still, axes_of
from tests.certification.attack import attack
from tests.certification.networks import Net
from tests.certification.random_networks import Program
from tests.certification.random_spectra import draw


def field(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, dtype=torch.cfloat, generator=torch.Generator().manual_seed(seed))


WHOLE, HALF, LINE, SQUARE = field(12, 8), field(12, 5), field(5), field(8, 8)


class Filter(nn.Module):
    """GFNet's global filter: a product of spectra with learned weights."""

    def __init__(self, channels: int, h: int, w: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.view_as_real(field(channels, h, w // 2 + 1)))

    def forward(self, x: Tensor) -> Tensor:
        h, w = x.shape[-2:]
        spectrum = fft.rfft2(x, norm="ortho") * torch.view_as_complex(self.weight)
        return fft.irfft2(spectrum, s=(h, w), norm="ortho")


class Modes2d(nn.Module):
    """A spectral layer of a Fourier neural operator: the lowest modes, mixed over channels; the others are dropped."""

    def __init__(self, channels: int, rows: int, columns: int) -> None:
        super().__init__()
        self.low = nn.Parameter(field(channels, channels, rows, columns, seed=1))
        self.high = nn.Parameter(field(channels, channels, rows, columns, seed=2))

    def forward(self, x: Tensor) -> Tensor:
        b, c, h, w = x.shape
        r, s = self.low.shape[-2:]
        spectrum = fft.rfft2(x)
        out = torch.zeros(b, c, h, w // 2 + 1, dtype=torch.cfloat)
        out[:, :, :r, :s] = torch.einsum("bixy,ioxy->boxy", spectrum[:, :, :r, :s], self.low)
        out[:, :, -r:, :s] = torch.einsum("bixy,ioxy->boxy", spectrum[:, :, -r:, :s], self.high)
        return fft.irfft2(out, s=(h, w))


class Modes1d(nn.Module):
    def __init__(self, channels: int, modes: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(field(channels, channels, modes, seed=3))

    def forward(self, x: Tensor) -> Tensor:
        spectrum = fft.rfft(x)
        out = torch.zeros(*x.shape[:2], x.shape[-1] // 2 + 1, dtype=torch.cfloat)
        modes = self.weight.shape[-1]
        out[:, :, :modes] = torch.einsum("bix,iox->box", spectrum[:, :, :modes], self.weight)
        return fft.irfft(out, n=x.shape[-1])


class Operator(nn.Module):
    """A Fourier neural operator: spectral and pointwise branches, added, four times over."""

    def __init__(self, dims: int, blocks: int = 4) -> None:
        super().__init__()
        conv = {1: nn.Conv1d, 2: nn.Conv2d}[dims]
        self.lift, self.project = conv(1, 3, 1), conv(3, 1, 1)
        self.spectral = nn.ModuleList(Modes1d(3, 3) if dims == 1 else Modes2d(3, 2, 3) for _ in range(blocks))
        self.pointwise = nn.ModuleList(conv(3, 3, 1) for _ in range(blocks))

    def forward(self, x: Tensor) -> Tensor:
        x = self.lift(x)
        for spectral, pointwise in zip(self.spectral, self.pointwise, strict=True):
            x = nn.functional.gelu(spectral(x) + pointwise(x))
        return self.project(x)


def pool(x: Tensor, h: int, w: int) -> Tensor:
    """Spectral pooling: the middle of the centred spectrum, as an image of its own."""
    a, b = x.shape[-2:]
    middle = fft.fftshift(fft.fft2(x), dim=(-2, -1))
    middle = middle[..., (a // 2 - h // 2) :, (b // 2 - w // 2) :][..., :h, :w]
    return fft.ifft2(fft.ifftshift(middle, dim=(-2, -1))).abs()


def gap(x: Tensor) -> Tensor:
    return x.mean((2, 3))


def phase_only(x: Tensor) -> Tensor:
    spectrum = fft.rfft2(x)
    return fft.irfft2(spectrum / (spectrum.abs() + 1e-3), s=x.shape[-2:])


def correlated(x: Tensor) -> Tensor:
    """Phase correlation of an image with a copy of itself that moves along: its peak stays."""
    a, b = fft.fft2(x), fft.fft2(x.relu())
    cross = a * b.conj()
    return fft.ifft2(cross / (cross.abs() + 1e-6)).abs()


def reals(x: Tensor) -> Tensor:
    return fft.ifft2(fft.fft2(x) * WHOLE).abs()


# On a 12 × 8 torus: the strides that hold and the kind. What is real and rolls is compared with all 96 shifts.
CASES: dict[str, tuple[nn.Module, tuple[int, int], str]] = {
    "a filter": (Filter(1, 12, 8), (1, 1), "equivariant"),
    "filters, ReLU, pooled": (
        nn.Sequential(Filter(1, 12, 8), nn.ReLU(), Filter(1, 12, 8), nn.ReLU(), Net(gap)),
        (1, 1),
        "invariant",
    ),
    "a complex filter": (Net(reals), (1, 1), "equivariant"),
    "along one axis": (Net(lambda x: fft.irfft(fft.rfft(x) * LINE, n=8)), (1, 1), "equivariant"),
    "truncated modes": (Modes2d(1, 3, 3), (1, 1), "equivariant"),
    "one mode": (Modes2d(1, 1, 2), (1, 1), "equivariant"),
    "one frequency alone": (
        Net(
            lambda x: (
                fft.irfft(fft.rfft(x) * torch.eye(5)[2], n=8)
                + fft.irfft(nn.functional.pad(fft.rfft(x)[..., 1:2], (1, 3)), n=8)
            )
        ),
        (1, 1),
        "equivariant",
    ),
    "an operator": (Operator(2), (1, 1), "equivariant"),
    "pooled to 6 × 4": (Net(lambda x: pool(x, 6, 4)), (2, 2), "equivariant"),
    "pooled to 8 × 4": (Net(lambda x: pool(x, 8, 4)), (3, 2), "equivariant"),
    "pooled to 6 × 4, then over all": (Net(lambda x: gap(pool(x, 6, 4).relu())), (2, 2), "invariant"),
    "longer inverse": (Net(lambda x: fft.irfft2(fft.rfft2(x), s=(12, 16))), (1, 1), "equivariant"),
    "another length": (Net(lambda x: fft.irfft2(fft.rfft2(x), s=(12, 10))), (1, 4), "equivariant"),
    "a length that shares nothing": (Net(lambda x: fft.irfft2(fft.rfft2(x), s=(12, 9))), (1, 8), "equivariant"),
    "shifts of the spectrum, undone": (
        Net(lambda x: fft.ifft2(fft.ifftshift(fft.fftshift(fft.fft2(x)) * WHOLE)).real),
        (1, 1),
        "equivariant",
    ),
    "a modulus": (Net(lambda x: fft.fft2(x).abs()), (1, 1), "invariant"),
    "a power spectrum": (Net(lambda x: fft.rfft2(x).abs() ** 2), (1, 1), "invariant"),
    "a power spectrum, written out": (Net(lambda x: (fft.fft2(x) * fft.fft2(x).conj()).real), (1, 1), "invariant"),
    "an autocorrelation": (Net(lambda x: fft.irfft2(fft.rfft2(x).abs() ** 2, s=(12, 8))), (1, 1), "invariant"),
    "phase only": (Net(phase_only), (1, 1), "equivariant"),
    "phase correlation": (Net(correlated), (1, 1), "invariant"),
    "energy": (Net(lambda x: torch.linalg.vector_norm(fft.rfft2(x), dim=(-2, -1))), (1, 1), "invariant"),
    "the mean by its frequency": (Net(lambda x: fft.fft2(x)[..., 0, 0].real), (1, 1), "invariant"),
    "a transform of a transform": (Net(lambda x: fft.fft2(fft.fft2(x)).real), (1, 1), "equivariant"),
    "hfft of ihfft": (Net(lambda x: fft.hfft(fft.ihfft(x), n=8)), (1, 1), "equivariant"),
    "the wrong half, its modulus": (
        Net(lambda x: fft.ifft2(fft.fftshift(fft.fft2(x), dim=(-2, -1))).abs()),
        (1, 1),
        "equivariant",
    ),
    # false twins
    "ReLU of a spectrum": (Net(lambda x: fft.fft2(x).real.relu()), (12, 8), "none"),
    "a bias in frequency space": (Net(lambda x: fft.irfft2(fft.rfft2(x) + HALF, s=(12, 8))), (12, 8), "none"),
    "a sum over frequencies": (Net(lambda x: fft.fft2(x).sum((-2, -1)).abs()), (12, 8), "none"),
    "weights that mix frequencies": (Net(lambda x: (fft.fft2(x) @ SQUARE).abs()), (1, 8), "invariant"),
    "padded before the transform": (Net(lambda x: fft.rfft(x, n=10).abs()), (1, 8), "equivariant"),
    "trimmed before the transform": (Net(lambda x: fft.rfft(x, n=6).abs()), (1, 8), "equivariant"),
    "angles": (Net(lambda x: fft.fft2(x).angle().cos()), (12, 8), "none"),
    "a ReLU on real and imaginary parts": (
        Net(lambda x: fft.irfft(torch.view_as_complex(torch.view_as_real(fft.rfft(x)).relu().contiguous()), n=8)),
        (1, 8),
        "equivariant",
    ),
}


def held(strides: tuple[int, ...], shape: tuple[int, ...]) -> set[tuple[int, ...]]:
    return set(itertools.product(*(range(0, n, s) for n, s in zip(shape, strides, strict=True))))


def follows(certificate: Certificate, net: nn.Module, x: Tensor, g: tuple[int, ...]) -> bool:
    """f(g·x) is f(x) after some roll of the dims that the certificate says roll, or, of a spectrum, has its moduli."""
    (state,) = (c.state for c in certificate.claims[-1:])
    base, got = net(x), net(torch.roll(x, g, tuple(range(-len(g), 0))))
    bound = 1e-4 * float(base.abs().max())
    if has_spectrum(state):
        base, got = base.abs(), got.abs()
    dims = [d for d, dim in enumerate(state.dims) if axes_of(dim) and not has_spectrum(state)]
    rolls = itertools.product(*(range(base.shape[d]) for d in dims))
    return any(torch.allclose(got, torch.roll(base, r, dims) if dims else base, rtol=0, atol=bound) for r in rolls)


@pytest.mark.parametrize("name", CASES)
def test_a_certificate_agrees_with_brute_force(name: str) -> None:
    net, strides, kind = CASES[name]
    net = copy.deepcopy(net).eval()
    x = torch.randn(1, 1, 12, 8, generator=torch.Generator().manual_seed(1))
    certificate = certify(net, x)
    assert not certificate.unknown
    assert (certificate.strides, certificate.kind) == (strides, kind)
    assert certificate.check(net, x) or certificate.kind == "none"
    with torch.no_grad():
        true = {g for g in held((1, 1), (12, 8)) if follows(certificate, net, x, g)}
    assert held(strides, (12, 8)) <= true
    assert certificate.exact == (held(strides, (12, 8)) == true)


@pytest.mark.parametrize("shape", [(9, 5), (7, 6), (8, 8), (1, 6)])
@pytest.mark.parametrize("make", [Filter, Modes2d], ids=["filter", "modes"])
def test_odd_sizes(make: type[nn.Module], shape: tuple[int, int]) -> None:
    net = (Filter(1, *shape) if make is Filter else Modes2d(1, 1 if shape[0] == 1 else 3, 3)).eval()
    x = torch.randn(1, 1, *shape, generator=torch.Generator().manual_seed(1))
    certificate = certify(net, x)
    assert certificate.strides == (1, 1)
    assert certificate.exact
    assert certificate.check(net, x)
    with torch.no_grad():
        assert all(follows(certificate, net, x, g) for g in held((1, 1), shape))


def test_an_operator_on_a_line() -> None:
    net = Operator(1).eval()
    x = torch.randn(1, 1, 16, generator=torch.Generator().manual_seed(1))
    certificate = certify(net, x, axes=-1)
    assert (certificate.strides, certificate.kind, certificate.exact) == ((1,), "equivariant", True)
    assert certificate.check(net, x)


def test_more_modes_than_fit_overlap_and_are_written_over() -> None:
    """Low and high modes share rows: the second write wins, and every entry still turns with its own frequency."""
    net = Modes2d(1, 4, 3).eval()
    certificate = certify(net, torch.randn(1, 1, 6, 8))
    assert certificate.strides == (1, 1)
    assert certificate.check(net, torch.randn(1, 1, 6, 8))


# What the certificate says of a spectrum ------------------------------------------------------------------------------------------


def test_a_spectrum_is_equivariant_and_says_how() -> None:
    certificate = certify(Net(lambda x: fft.rfft2(x)).eval(), torch.randn(1, 1, 12, 8))
    (output,) = certificate.outputs
    assert (output.kind, certificate.strides, certificate.exact) == ("equivariant", (1, 1), True)
    assert output.actions == ()  # nothing rolls
    assert output.describes == "[1, 1, frequencies(axis 0: 0 1 2 3 … 10 11), frequencies(axis 1: 0 1 2 3 4)]"


def test_a_forgotten_shift_of_the_spectrum_is_a_phase_on_everything() -> None:
    net = Net(lambda x: fft.ifft2(fft.fftshift(fft.fft2(x), dim=(-2, -1)))).eval()
    x = torch.randn(1, 1, 12, 8, generator=torch.Generator().manual_seed(0))
    certificate = certify(net, x)
    assert certificate.strides == (1, 1)
    assert certificate.check(net, x)
    dims = certificate.nodes[certificate.claims[-1].node].dims
    assert [dim[0] for dim in dims[2:]] == [Frequency(((6, 0),), (12, 8)), Frequency(((0, 4),), (12, 8))]
    real = certify(Net(lambda x: fft.ifft2(fft.fftshift(fft.fft2(x), dim=(-2, -1))).real).eval(), x)
    assert real.strides == (1, 1)  # the phases (−1)^k are signs, which a real part keeps: the image changes its sign
    odd = certify(Net(lambda x: fft.ifft2(fft.fftshift(fft.fft2(x), dim=(-2, -1))).real).eval(), x[..., :9, :5])
    assert odd.strides == (9, 5)


def test_a_loss_names_its_cause_and_law() -> None:
    certificate = certify(Net(lambda x: fft.fft2(x).real.relu()).eval(), torch.randn(1, 1, 12, 8))
    assert {(o.cause, o.theorem) for o in certificate.obstacles} == {("frequency", "phases")}
    assert [o.operation for o in certificate.obstacles] == ["aten.view_as_real.default", "aten.relu.default"]
    other = certify(Net(lambda x: fft.irfft2(fft.rfft2(x), s=(12, 10))).eval(), torch.randn(1, 1, 12, 8))
    assert [(o.cause, o.theorem) for o in other.obstacles] == [("frequency", "spectral_resampling")]


def test_one_frequency_keeps_the_shifts_that_do_not_turn_it() -> None:
    x = torch.randn(1, 1, 12, 8)
    second = certify(Net(lambda x: fft.fft2(x)[..., 2, 0].real.relu()).eval(), x)
    assert (second.strides, second.kind) == ((6, 1), "invariant")
    assert certify(Net(lambda x: fft.fft2(x)[..., 0, 0].real.relu()).eval(), x).strides == (1, 1)


def test_a_certificate_with_a_spectrum_is_saved_and_loaded(tmp_path) -> None:
    net = Modes2d(1, 3, 3).eval()
    x = torch.randn(1, 1, 12, 8)
    certificate = certify(net, x)
    loaded = Certificate.load(certificate.save(tmp_path / "certificate.json"))
    assert loaded.claims == certificate.claims
    assert any(None in f.characters for c in loaded.claims for d in c.state.dims for f in d if isinstance(f, Frequency))
    assert loaded.check(net, x)


def test_whatever_the_weights() -> None:
    certificate = certify(Operator(2).eval(), torch.randn(1, 1, 12, 8), weights="generic")
    assert certificate.strides == (1, 1)
    biased = Net(lambda x, c: fft.irfft2(fft.rfft2(x) + c.bias[0], s=(12, 8)), nn.Conv2d(1, 1, 1)).eval()
    with torch.no_grad():
        biased.parts[0].bias.zero_()
    assert certify(biased, torch.randn(1, 1, 12, 8)).strides == (1, 1)  # 0 adds nothing
    assert certify(biased, torch.randn(1, 1, 12, 8), weights="generic").strides == (12, 8)


def test_fnet_is_broken_by_its_real_part() -> None:
    transformers = pytest.importorskip("transformers")
    from transformers.models.fnet.modeling_fnet import FNetBasicFourierTransform, FNetLayer

    config = transformers.FNetConfig(hidden_size=8, intermediate_size=16, num_hidden_layers=1, hidden_dropout_prob=0.0)
    x = torch.randn(1, 12, 8, generator=torch.Generator().manual_seed(0))

    class Mixing(nn.Module):
        def __init__(self, inner: nn.Module) -> None:
            super().__init__()
            self.inner = inner

        def forward(self, x: Tensor) -> Tensor:
            return self.inner(x)[0]

    mixing = Mixing(FNetBasicFourierTransform(config)).eval()
    certificate = certify(mixing, x, axes=1)
    assert (certificate.strides, certificate.kind) == (
        (6,),
        "equivariant",
    )  # half a turn changes the sign of every other entry
    assert certificate.check(mixing, x)
    layer = Mixing(FNetLayer(config)).eval()
    assert certify(layer, x, axes=1).kind == "none"


def test_what_is_infinite_has_no_phase() -> None:
    x = torch.randn(1, 1, 12, 8)
    assert certify(Net(lambda x: fft.rfft(x) / x.mean(-1, keepdim=True).relu()).eval(), x).strides == (1, 8)
    assert certify(Net(lambda x: fft.rfft(x) / (x.mean(-1, keepdim=True).relu() + 1)).eval(), x).strides == (1, 1)
    assert certify(Net(lambda x: (fft.rfft(x) * torch.tensor(float("inf"))).abs()).eval(), x).strides == (1, 8)
    assert certify(Net(lambda x: (fft.rfft(x) / torch.arange(5)).abs()).eval(), x).strides == (1, 8)


# Attack -----------------------------------------------------------------------------------------------------------------------------

SHAPES = [(12, 8), (6, 6), (9, 4), (8, 1), (5, 7), (16, 4), (4, 4), (8, 6)]
BLOCKS = 4
PER_BLOCK = int(os.environ.get("EQUICONV_RANDOM_NETWORKS", "96")) // BLOCKS


@pytest.mark.parametrize("block", range(BLOCKS))
def test_no_claim_about_a_random_network_is_contradicted(block: int) -> None:
    turning = 0
    for seed in range(block * PER_BLOCK, (block + 1) * PER_BLOCK):
        shape = SHAPES[seed % len(SHAPES)]
        net = Program(seed, shape, 2 + seed % 7, draw=draw).eval()
        x = torch.randn(1, 2, *shape, generator=torch.Generator().manual_seed(seed))
        _, found = attack(net, x)
        for circular, (derivation, report) in found.items():
            assert not report.violations, f"seed {seed}, {shape}, circular={circular}: {report}\n  {net.text}"
            states = [s for s in derivation.states.values() if isinstance(s, Signal)]
            turning += sum(any(isinstance(f, Frequency) and f.axes for dim in s.dims for f in dim) for s in states)
    assert turning > PER_BLOCK  # the attack is no attack when nothing turns


def _turned(signal: Signal, change) -> Signal:
    """The claim with every character changed."""

    def one(f):
        if not isinstance(f, Frequency):
            return f
        found = tuple(None if c is None else change(i, c) for i, c in enumerate(f.characters))
        return Frequency(found, f.group)

    return Signal(signal.strides, tuple(tuple(one(f) for f in dim) for dim in signal.dims))


def _opposite(i, c):
    return tuple(-a for a in c)


def _next(i, c):
    return tuple(a + 1 if a else 0 for a in c)


def _still(signal: Signal) -> Signal:
    return Signal(signal.strides, tuple((Still(s),) for s in signal.shape))


def _blind(step) -> Signal:
    """As though the operation were linear."""
    return step.result(step.signal("self").dims)


PERTURBED = {
    "phases turn the other way": ("aten.fft_fft.default", lambda x: fft.fft(x), lambda s: _turned(s, _opposite)),
    "phases are off by one frequency": ("aten.fft_rfft.default", lambda x: fft.rfft(x), lambda s: _turned(s, _next)),
    "a spectrum is invariant": ("aten.fft_fft2.default", lambda x: fft.fft2(x), _still),
    "a conjugate turns as before": (
        "aten._conj.default",
        lambda x: fft.fft(x).conj() + 0,
        lambda s: _turned(s, _opposite),
    ),
    "the inverse of a spectrum is still": ("aten.fft_ifft.default", lambda x: fft.ifft(fft.fft(x)), _still),
    "a square turns as before": (
        "aten.pow.Tensor_Scalar",
        lambda x: fft.fft(x) ** 2,
        lambda s: _turned(s, lambda i, c: tuple(a // 2 for a in c)),
    ),
    "all modes are zero": (
        "aten.fft_fftn.default",
        lambda x: fft.fftn(x, dim=(-1,)),
        lambda s: Signal(s.strides, (*s.dims[:-1], (Frequency((s.dims[-1][0].characters[1], *[None] * 7), (12, 8)),))),
    ),
}


@pytest.mark.parametrize("name", PERTURBED)
def test_a_perturbed_rule_is_caught(name: str, monkeypatch) -> None:
    target, function, change = PERTURBED[name]
    net, x = Net(function).eval(), torch.randn(1, 2, 12, 8, generator=torch.Generator().manual_seed(0))

    def caught() -> bool:
        return any(report.violations for _, report in attack(net, x)[1].values())

    assert not caught()
    old = registry.RULES[target]
    false = registry.Rule(target, old.family, old.theorem, lambda step: change(old.transfer(step)), spectral=True)
    monkeypatch.setitem(registry.RULES, target, false)
    assert caught()


@pytest.mark.parametrize(
    "function",
    [lambda x: torch.tanh(fft.rfft(x)), lambda x: fft.rfft(x).cumsum(-1), lambda x: fft.rfft(x).exp()],
    ids=["tanh", "cumsum", "exp"],
)
def test_a_rule_that_claims_to_be_linear_and_is_not_is_caught(function, monkeypatch) -> None:
    net, x = Net(function).eval(), torch.randn(1, 2, 12, 8, generator=torch.Generator().manual_seed(0))
    assert not any(report.violations for _, report in attack(net, x)[1].values())
    target = next(n.operation for n in reversed(attack(net, x)[0].nodes) if n.kind == "operation")
    old = registry.find(getattr(torch.ops.aten, target.split(".")[1]).default)
    monkeypatch.setitem(registry.RULES, target, registry.Rule(target, old.family, old.theorem, _blind, spectral=True))
    assert any(report.violations for _, report in attack(net, x)[1].values())


def test_a_spectrum_before_an_operation_without_a_word_on_it_is_given_up(monkeypatch) -> None:
    """Also before rules of others, which never heard of spectra."""
    target = "aten.fft_fftshift.default"
    old = registry.RULES[target]
    seen: list[Signal] = []

    def own(step) -> Signal:
        seen.append(step.signal("self"))
        return old.transfer(step)

    monkeypatch.setitem(registry.RULES, target, registry.Rule(target, old.family, old.theorem, own))
    certificate = certify(Net(lambda x: fft.fftshift(fft.fft2(x))).eval(), torch.randn(1, 1, 12, 8), refute=False)
    assert certificate.strides == (12, 8)
    assert seen
    assert not any(map(has_spectrum, seen))

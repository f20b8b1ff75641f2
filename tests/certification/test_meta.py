"""Models without values: the same verdicts as with generic weights, in the memory of the graph, and never a value that nobody knows."""

from __future__ import annotations

import subprocess
import sys
import textwrap

import pytest
import torch
from torch import Tensor, nn

from equiconv.certification import certify
from equiconv.certification.states import Constant
from equiconv.cli.weights import parameters_on_meta
from equiconv.graph import CaptureError


class Head(nn.Module):
    """A convolution, something in the middle, and a pool over all positions."""

    def __init__(self, padding_mode: str = "circular") -> None:
        super().__init__()
        self.conv = nn.Conv2d(1, 4, 3, stride=2, padding=1, padding_mode=padding_mode)
        self.norm = nn.BatchNorm2d(4)

    def middle(self, x: Tensor) -> Tensor:
        return x

    def forward(self, x: Tensor) -> Tensor:
        return self.middle(self.norm(self.conv(x)).relu()).mean((-2, -1))


class Mask(Head):
    """Multiplies by a pattern of period 2, made in the graph from numbers alone."""

    def middle(self, x: Tensor) -> Tensor:
        columns = torch.arange(x.shape[-1], device=x.device)
        return x * (columns % 2).to(x.dtype)


class Table(Head):
    """Looks columns up in the order of a buffer, which is a cyclic shift of them."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("order", torch.arange(4).roll(1))

    def middle(self, x: Tensor) -> Tensor:
        return x[:, :, :, self.order]


class Position(Head):
    """Adds a parameter for every position, ones at first."""

    def __init__(self) -> None:
        super().__init__()
        self.position = nn.Parameter(torch.ones(6, 4))

    def middle(self, x: Tensor) -> Tensor:
        return x + self.position


class Standardised(Head):
    """Works on its weights before it uses them, as weight standardisation does, with a buffer among the operands."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("scale", torch.tensor(2.0))
        self.gain = nn.Parameter(torch.ones(4, 1, 1))

    def middle(self, x: Tensor) -> Tensor:
        gain = (self.gain - self.gain.mean()) * self.scale
        return torch.cat([x, (x * gain).abs()], 1)


NETWORKS = {
    "circular": Head,
    "zeros": lambda: Head("zeros"),
    "mask": Mask,
    "table": Table,
    "position": Position,
    "standardised": Standardised,
}
EXPECTED = {
    "circular": (2, 2),
    "zeros": (12, 8),
    "mask": (2, 4),
    "table": (2, 2),
    "position": (12, 8),
    "standardised": (2, 2),
}


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("example_has_values", [False, True])
def test_the_verdict_without_values_is_that_of_generic_weights(name: str, example_has_values: bool) -> None:
    x = torch.randn(1, 1, 12, 8)
    loaded = certify(NETWORKS[name]().eval(), x, weights="generic")
    with parameters_on_meta():
        net = NETWORKS[name]().eval()
    assert all(p.is_meta for p in net.parameters())
    assert not any(b.is_meta for b in net.buffers())
    bare = certify(net, x if example_has_values else x.to("meta"), weights="generic")
    assert (bare.strides, bare.kind, bare.potential) == (loaded.strides, loaded.kind, loaded.potential)
    assert bare.strides == EXPECTED[name]
    assert [(c.node, c.state) for c in bare.claims] == [(c.node, c.state) for c in loaded.claims]
    assert not bare.exact
    assert bare.refutations is None
    assert "larger subgroups were not tried" in bare.sentence
    assert any("nothing was run" in note for note in bare.notes)
    assert loaded.exact or name == "position"  # ones at every position are an accident that generic weights do not use
    with pytest.raises(ValueError, match="no values to run"):
        bare.check(net, x)


def test_an_example_on_meta_needs_no_model_on_meta() -> None:
    net = Mask().eval()
    bare = certify(net, torch.empty(1, 1, 12, 8, device="meta"))
    assert (bare.strides, bare.weights, bare.refutations) == ((2, 4), "these", None)


def test_these_weights_on_meta_are_taken_as_generic_and_that_is_said() -> None:
    with parameters_on_meta():
        net = Position().eval()
    certificate = certify(net, torch.randn(1, 1, 12, 8), weights="these")
    assert certificate.weights == "generic"
    assert certificate.strides == (12, 8)
    assert any("weights are on the meta device" in note for note in certificate.notes)
    # the tester tested: with values, these ones are the same at every position, and use of them certifies more
    assert certify(Position().eval(), torch.randn(1, 1, 12, 8)).strides == (2, 2)


def test_a_buffer_without_values_is_never_read() -> None:
    with torch.device("meta"):
        net = Table().eval()
    lost = certify(net, torch.empty(1, 1, 12, 8, device="meta"), weights="generic")
    assert lost.strides == (2, 8)  # nothing along the columns, whose order nobody knows; with it (2, 2), as above
    assert any(note.startswith("4 buffers are on the meta device") for note in lost.notes)


def test_a_constant_on_meta_is_generic_whoever_makes_it() -> None:
    assert Constant(torch.zeros(3, device="meta")).generic
    assert Constant(torch.zeros(3, device="meta"), False).generic
    assert not Constant(torch.zeros(3)).generic


def test_a_number_read_off_generic_weights_is_not_used() -> None:
    class Rolled(Head):
        def __init__(self) -> None:
            super().__init__()
            self.by = nn.Parameter(torch.zeros(()), requires_grad=False)

        def middle(self, x: Tensor) -> Tensor:
            return x * self.by.item()

    x = torch.randn(1, 1, 12, 8)
    assert certify(Rolled().eval(), x).kind == "invariant"
    generic = certify(Rolled().eval(), x, weights="generic")
    assert generic.kind == "undecided"
    assert any("weights that are not to be used" in u.reason for u in generic.unknown)
    with parameters_on_meta():
        bare = Rolled().eval()
    with pytest.raises(CaptureError, match="depends on values"):
        certify(bare, x)


def test_a_model_that_cannot_be_captured_says_why_and_not_that_it_does_not_run() -> None:
    class Branches(Head):
        def middle(self, x: Tensor) -> Tensor:
            return x if x.sum() > 0 else -x

    for net, x in (
        (Branches().eval(), torch.empty(1, 1, 12, 8, device="meta")),
        (Branches().eval(), torch.ones(1, 1, 12, 8)),
    ):
        with pytest.raises(CaptureError, match="control flow depends on the data"):
            certify(net, x)


def test_the_model_is_left_as_it_was() -> None:
    with parameters_on_meta():
        net = Head().eval()
    net.again = net.conv  # one module by two names
    before = dict(net.named_parameters(remove_duplicate=False)), dict(net.named_buffers())
    certify(net, torch.empty(1, 1, 12, 8, device="meta"), weights="generic")
    after = dict(net.named_parameters(remove_duplicate=False)), dict(net.named_buffers())
    for old, new in zip(before, after, strict=True):
        assert list(old) == list(new)
        assert all(old[k] is new[k] for k in old)
    assert nn.Linear(2, 2).weight.device.type == "cpu"  # and so is torch


def test_a_billion_parameters_cost_the_memory_of_their_graph() -> None:
    script = """
        import resource, torch, equiconv
        from torch import nn
        from equiconv.certification import certify
        peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        small = nn.Sequential(nn.Conv2d(3, 4, 4, 4), nn.AdaptiveAvgPool2d(1)).eval()
        certify(small, torch.randn(1, 3, 8, 8), refute=False)  # what torch loads once
        before = peak()
        with torch.device("meta"):
            net = nn.Sequential(nn.Conv2d(3, 8192, 4, 4), nn.AdaptiveAvgPool2d(1), nn.Flatten(), *[nn.Linear(8192, 8192) for _ in range(16)]).eval()
        parameters = sum(p.numel() for p in net.parameters())
        c = certify(net, torch.empty(1, 3, 32, 32, device="meta"), weights="generic")
        print(parameters, peak() - before, c.kind, *c.strides)
    """
    run = subprocess.run([sys.executable, "-c", textwrap.dedent(script)], capture_output=True, text=True, check=True)
    parameters, megabytes, kind, *strides = run.stdout.split()
    assert int(parameters) > 1_000_000_000
    assert float(megabytes) < 200  # the weights alone would be 4,000
    assert (kind, strides) == ("invariant", ["4", "4"])

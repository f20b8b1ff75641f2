"""The certificate as data, its checker, and what certify refuses."""

from __future__ import annotations

import dataclasses
import json
from fractions import Fraction
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from equiconv.certification import Certificate, Signal, Still, Window, certify
from equiconv.certification.certificate import write_whole


def small(**options: object) -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(1, 2, 3, 2, 1, **options), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(2, 3)
    ).eval()


X = torch.randn(1, 1, 8, 8, generator=torch.Generator().manual_seed(0))


def test_saved_and_loaded_is_the_same(tmp_path) -> None:
    certificate = certify(small(), X)
    path = certificate.save(tmp_path / "certificate.json")
    loaded = Certificate.load(path)
    assert loaded == certificate
    assert loaded.check(small(), X).claims == certificate.check(small(), X).claims
    assert json.loads(path.read_text())["strides"] == [8, 8]


def test_every_step_names_the_law_it_rests_on() -> None:
    """Inputs move by definition, and nothing is claimed of an operation without a rule: neither rests on a law."""
    certificate = certify(small(), X, refute=False)
    named = {c.operation: c.theorem for c in certificate.claims}
    assert named.pop(certificate.claims[0].operation) == ""
    assert named["aten.conv2d.default"] == "sliding_window"
    assert named["aten.relu.default"] == "pointwise"
    assert all(named.values()), named

    class Unruled(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return torch.linalg.det(x.relu())

    unknown = certify(Unruled().eval(), X, refute=False)
    theorems = {c.operation: c.theorem for c in unknown.claims}
    assert unknown.kind == "undecided"
    assert theorems["aten.relu.default"] == "pointwise"
    assert "" in [c.theorem for c in unknown.claims if "det" in c.operation]


@pytest.mark.parametrize("text", ["", "not json", "[]", '{"format": 99, "claims": []}', "\x00\x01"])
def test_a_file_that_is_no_certificate(tmp_path, text: str) -> None:
    path = tmp_path / "no.json"
    path.write_text(text)
    with pytest.raises(ValueError, match="no certificate"):
        Certificate.load(path)


def test_nothing_half_written(tmp_path) -> None:
    with pytest.raises(OSError, match="missing"):
        certify(small(), X, refute=False).save(tmp_path / "missing" / "c.json")
    target = tmp_path / "kept.json"
    target.write_text("before")
    with pytest.raises(UnicodeEncodeError):
        write_whole(target, "\ud800")
    assert target.read_text() == "before"
    assert [p.name for p in tmp_path.iterdir()] == ["kept.json"]


def test_a_tampered_claim_is_caught() -> None:
    """The checker's false twin: K one size too large, and a roll in the wrong direction."""
    net = small(padding_mode="circular")
    certificate = certify(net, X, refute=False)
    assert certificate.check(net, X)
    output = certificate.claims[-1]
    larger = dataclasses.replace(output, state=Signal((1, 1), output.state.dims))
    assert certificate.check(net, X).claims
    tampered = dataclasses.replace(certificate, claims=(*certificate.claims[:-1], larger))
    report = tampered.check(net, X)
    assert [v.node for v in report.violations] == [output.node] * 2
    conv = next(c for c in certificate.claims if "conv" in c.node)
    reversed_ = tuple(
        tuple(dataclasses.replace(f, step=-f.step) if isinstance(f, Window) else f for f in dim)
        for dim in conv.state.dims
    )
    tampered = dataclasses.replace(
        certificate, claims=(dataclasses.replace(conv, state=Signal(conv.state.strides, reversed_)),)
    )
    assert not tampered.check(net, X)


def test_a_certificate_of_another_network_is_refused() -> None:
    certificate = certify(small(), X, refute=False)
    with pytest.raises(ValueError, match="not the certified network"):
        certificate.check(nn.Sequential(nn.Flatten(), nn.Linear(64, 3)).eval(), X)
    with pytest.raises(ValueError, match="shapes"):
        certificate.check(small(), torch.randn(1, 1, 10, 8))


def test_trivial_certificates_say_that_nothing_was_checked() -> None:
    certificate = certify(small(), X, refute=False)
    trivial = dataclasses.replace(certificate, claims=certificate.claims[-1:])
    report = trivial.check(small(), X)
    assert not report
    assert report.claims == 0
    assert "nothing" in str(report)


def test_text() -> None:
    certificate = certify(small(), X)
    text = str(certificate)
    assert "{0} × {0}" in text
    assert "2Z × 2Z would hold (invariant)" in text
    assert "padding: 0 (aten.conv2d.default)" in text
    assert (
        "test_certificate.py" not in text
    )  # the line blamed is where the module was called: inside torch's Sequential
    assert certificate.nodes["linear"].strides == (8, 8)
    assert certificate.subgroup.order == 1


def test_generic_weights() -> None:
    """Weights that happen to be constant are not used: the architecture alone is certified."""
    net = nn.Sequential(nn.Flatten(), nn.Linear(64, 2)).eval()
    nn.init.ones_(net[1].weight)
    assert certify(net, X).strides == (1, 1)
    assert certify(net, X, weights="generic").strides == (8, 8)


def test_meta_weights() -> None:
    with torch.device("meta"):
        net = nn.Sequential(
            nn.Conv2d(1, 2, 3, 2, 1, padding_mode="circular"), nn.BatchNorm2d(2), nn.AdaptiveAvgPool2d(1)
        ).eval()
    certificate = certify(net, torch.empty(1, 1, 8, 8, device="meta"), weights="generic")
    assert certificate.strides == (2, 2)
    assert certificate.refutations is None
    assert not certificate.exact


def test_several_inputs_and_outputs() -> None:
    class Two(nn.Module):
        def forward(self, image, scale, *, bias=None):
            return {"map": (image * scale).relu(), "pooled": [image.mean((-2, -1)) + scale, image[..., ::2]]}

    certificate = certify(Two().eval(), {"image": X, "scale": torch.tensor([2.0])})
    assert [o.name for o in certificate.outputs] == ["output['map']", "output['pooled'][0]", "output['pooled'][1]"]
    assert [o.kind for o in certificate.outputs] == ["equivariant", "invariant", "equivariant"]
    assert [o.strides for o in certificate.outputs] == [(1, 1), (1, 1), (1, 2)]
    assert certificate.strides == (1, 2)
    assert certificate.outputs[2].actions == ((0, 2, Fraction(1)), (1, 3, Fraction(2)))
    assert "scale" in certificate.notes[0]


class Branch(nn.Module):
    def forward(self, x):
        if x.sum() > 0:
            return x
        return -x


class Exported(nn.Module):
    def forward(self, x):
        return x * 2 if torch.compiler.is_exporting() else x


class Random(nn.Module):
    def forward(self, x):
        return F.dropout(x, 0.5, training=True)


class Unknown(nn.Module):
    def forward(self, x):
        return torch.linalg.qr(torch.linalg.svd(x)[0])[0]


class NoTensor(nn.Module):
    def forward(self, x):
        return 3


REFUSED = {
    "training mode": (lambda: (nn.Conv2d(1, 1, 3), X), ValueError, "training mode"),
    "a part in training mode": (lambda: (_part_training(), X), ValueError, "'?1'? is in training mode|part 1"),
    "no module": (lambda: (torch.sin, X), TypeError, "torch.nn.Module"),
    "a class": (lambda: (nn.ReLU, X), TypeError, "instance"),
    "NaN weights": (lambda: (_bad_weights(float("nan")), X), ValueError, "0.weight.*NaN"),
    "infinite weights": (lambda: (_bad_weights(float("inf")), X), ValueError, "0.weight.*infinite"),
    "NaN input": (lambda: (small(), X * float("nan")), ValueError, "NaN"),
    "data-dependent branch": (lambda: (Branch().eval(), X), ValueError, "depends on the data.*if x.sum\\(\\) > 0"),
    "branches on export": (lambda: (Exported().eval(), X), ValueError, "branches on being exported"),
    "no tensor in the output": (lambda: (NoTensor().eval(), X), ValueError, "no tensor in its output"),
    "a NumPy array": (lambda: (small(), X.numpy()), TypeError, "numpy.ndarray.*torch.from_numpy"),
    "no tensor in the input": (lambda: (small(), 3), (TypeError, ValueError), "."),
    "axes out of range": (lambda: (nn.ReLU().eval(), torch.randn(4)), ValueError, "axes: got \\(-2, -1\\)"),
    "an axis without entries": (lambda: (nn.ReLU().eval(), torch.randn(2, 0)), ValueError, "without entries"),
}


def _part_training() -> nn.Module:
    net = small()
    net[1].train()
    return net


def _bad_weights(value: float) -> nn.Module:
    net = small()
    with torch.no_grad():
        net[0].weight[0, 0, 0, 0] = value
    return net


@pytest.mark.parametrize("name", REFUSED)
def test_refusals(name: str) -> None:
    make, error, words = REFUSED[name]
    model, x = make()
    with pytest.raises(error, match=words):
        certify(model, x)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"axes": ()}, "axes: is empty"),
        ({"axes": (-1, 3)}, "twice"),
        ({"padding": "wrap"}, "padding: got"),
        ({"weights": "any"}, "weights: got"),
    ],
)
def test_bad_options(options: dict, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        certify(small(), X, **options)


def test_random_operations_are_undecided() -> None:
    certificate = certify(Random().eval(), X)
    assert (certificate.kind, certificate.strides) == ("undecided", (8, 8))
    assert "random" in certificate.unknown[0].reason


def test_unknown_operations_are_all_named() -> None:
    certificate = certify(Unknown().eval(), X)
    assert certificate.kind == "undecided"
    assert certificate.strides == (8, 8)
    assert not certificate.exact
    names = " ".join(u.operation for u in certificate.unknown)
    assert "qr" in names
    assert "svd" in names
    assert "undecided" in certificate.sentence


def test_half_precision_is_checked_in_double() -> None:
    net = small(padding_mode="circular").bfloat16()
    certificate = certify(net, X.bfloat16())
    assert certificate.strides == (2, 2)
    assert certificate.exact
    assert certificate.check(net, X.bfloat16())


def test_a_model_with_a_hard_coded_cast() -> None:
    class Cast(nn.Module):
        def forward(self, x):
            return x.float().softmax(-1).to(x.dtype)

    certificate = certify(Cast().eval().double(), X.double())
    assert certificate.strides == (1, 1)
    assert certificate.check(Cast().eval().double(), X.double())


def test_states_refuse_broken_windows() -> None:
    from equiconv.certification.states import canonical

    with pytest.raises(AssertionError, match="broken window"):
        canonical((Window(8, 0, Fraction(2), 8),), (1,), (8,))
    assert canonical((Window(8, 0, Fraction(1), 8), Still(3)), (1,), (8,)) == (Window(24, 0, Fraction(1, 3), 24),)


def test_an_example_without_a_tensor_and_a_missing_file_say_what_to_pass(tmp_path: Path) -> None:
    with pytest.raises(TypeError, match="example: holds no tensor; pass"):
        certify(nn.Conv2d(1, 1, 1).eval(), None)
    with pytest.raises(FileNotFoundError, match=r"path: .*none\.json is no file; pass one written by"):
        Certificate.load(tmp_path / "none.json")


def test_a_claim_about_a_crop_is_tried_at_multiples_of_its_stride() -> None:
    """Of a crop and a reversed crop of five in eight, entries (0, 0) and (4, 4) meet under a shift by 4, and are met by no chain of shorter shifts.

    So a constant of i + j passes at every shift but 4, and is no claim that holds.
    """

    class Outer(nn.Module):
        def __init__(self, weights: torch.Tensor) -> None:
            super().__init__()
            self.register_buffer("weights", weights)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x[:, :, :, :5].unsqueeze(4) * x.flip(3)[:, :, :, :5].unsqueeze(3) * self.weights

    certificate = certify(Outer(torch.ones(5, 5)).eval(), X)
    assert certificate.check(Outer(torch.ones(5, 5)).eval(), X)
    i = torch.arange(5)
    report = certificate.check(Outer((i[:, None] + i[None]).float() + 1).eval(), X)
    assert {v.shift for v in report.violations} == {(0, 4)}

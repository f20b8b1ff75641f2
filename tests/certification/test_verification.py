"""Certificates as proofs: a true one verifies, and whatever is changed in the file is refused or listed as taken on trust."""

from __future__ import annotations

import copy
import dataclasses
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from equiconv.certification import Certificate, Signal, Still, Sum, Uniform, Window, certify, verification, verify
from equiconv.certification.opening import captured
from equiconv.certification.records import digest_of, from_data, to_data
from equiconv.graph import capture, fingerprint
from equiconv.graph.fingerprint import canonical_lines

X = torch.randn(1, 1, 12, 8, generator=torch.Generator().manual_seed(0))
#: What a certificate says and nothing at hand could contradict; the verification lists it as taken on trust.
ON_TRUST = ("versions", "notes", "model", "error", "floor", "source")


class Rich(nn.Module):
    """Every kind of factor, an operation of several results, cuts joined again, a constant, and two outputs that lose something."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(1, 2, 3, padding=1, padding_mode="circular")
        self.norm = nn.BatchNorm2d(2)
        self.down = nn.Conv2d(2, 2, 3, stride=2, padding=1)
        self.register_buffer("mask", torch.arange(4.0).repeat(2))

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        y = self.norm(self.stem(x)).relu()
        a, b = y.split(1, 1)
        rolled = torch.cat([a[:, :, 5:], a[:, :, :5]], 2)
        bordered = nn.functional.pad(b, (2, 1)).relu().sum(3)
        return {"map": rolled * self.mask, "deep": self.down(y), "rows": bordered}


def rich(seed: int = 0) -> nn.Module:
    torch.manual_seed(seed)
    return Rich().eval()


@pytest.fixture(scope="module")
def certificate() -> Certificate:
    return certify(rich(), X)


@pytest.fixture
def one_graph(monkeypatch: pytest.MonkeyPatch) -> None:
    """The graph is captured once for all the tries: capture is what takes time, and no try changes the network."""
    graph = captured(rich(), (X,))
    monkeypatch.setattr(verification, "captured", lambda *_, **__: graph)


def factors(state: Signal) -> Iterator[Any]:
    pending: list[Any] = [f for dim in state.dims for f in dim]
    while pending:
        factor = pending.pop()
        yield factor
        if isinstance(factor, Sum):
            pending += [f for part in factor.parts for f in part]


def save(path: Path, data: dict[str, Any]) -> Path:
    """As someone would who knows the format: the digest, and what can be computed from the rest, are made to fit."""
    data = copy.deepcopy(data)
    if isinstance(data.get("refutations"), list):
        tries = data["refutations"]
        data["exact"] = data.get("kind") != "undecided" and all(
            t.get("refuted") is True for t in tries if isinstance(t, dict)
        )
    data["digest"] = digest_of(data)
    path.write_text(json.dumps(data), encoding="utf-8")
    return path


def test_the_network_of_these_tests_has_all_there_is(certificate: Certificate) -> None:
    kinds = {type(f) for c in certificate.claims for f in factors(c.state)}
    assert kinds == {Still, Uniform, Window, Sum}
    assert any(f.origin for c in certificate.claims for f in factors(c.state) if isinstance(f, Window))
    assert any(c.result is not None for c in certificate.claims)
    assert {o.cause for o in certificate.obstacles} >= {"padding", "stride", "constant"}
    assert certificate.refutations
    assert certificate.exact


def test_a_certificate_verifies(certificate: Certificate, tmp_path: Path) -> None:
    path = certificate.save(tmp_path / "c.json")
    assert Certificate.load(path) == certificate
    found = verify(path, rich(), X)
    assert found, found
    assert [c.name for c in found.checks] == [
        "digest",
        "graph",
        "weights",
        "steps",
        "verdict",
        "refutations",
        "squares",
    ]
    assert all(c.holds for c in found.checks)
    assert found.squares is not None
    assert found.squares.claims == certificate.check(rich(), X).claims > 0
    assert "refuted again" in found["refutations"].found[0]
    assert [text.split(" ")[1] for text in found.on_trust] == ["errors", "versions"]
    assert certificate.verify(rich(), run=False).squares is None
    assert certificate.verify(rich()), "an input is made where none is given"


@pytest.mark.parametrize("padding", ["as-is", "circular"])
@pytest.mark.parametrize("weights", ["these", "generic"])
def test_every_sort_of_certificate_verifies(padding: str, weights: str) -> None:
    found = certify(rich(), X, padding=padding, weights=weights, refute=False).verify(rich(), X)
    assert found, found
    assert found["refutations"].holds is None


def test_the_undecided_verifies_too() -> None:
    class Unruled(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return torch.linalg.det(x[..., :8, :].relu())

    undecided = certify(Unruled().eval(), X)
    assert undecided.kind == "undecided"
    assert undecided.verify(Unruled().eval(), X, run=False)
    decided = dataclasses.replace(undecided, kind="invariant", strides=(1, 1), unknown=())
    found = decided.verify(Unruled().eval(), X, run=False)
    assert found.failures == ("verdict",)
    assert {t.split(":")[0] for t in found["verdict"].found} == {"strides[0]", "strides[1]", "kind", "unknown"}


# Tampering --------------------------------------------------------------------------------------------------------------


def places(data: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The path of every value in the data, containers included."""
    if path:
        yield path
    inner = data.items() if isinstance(data, dict) else enumerate(data) if isinstance(data, list) else ()
    for key, value in inner:
        yield from places(value, (*path, key))


def forgeries(value: Any) -> list[Any]:
    """Other values of the same type and of others, and nothing."""
    if isinstance(value, bool):
        return [not value, None, 1]
    if isinstance(value, int):
        return [value + 1, value * 2 or 1, 1 if value != 1 else 4, -value or -1, None, str(value)]
    if isinstance(value, float):
        return [value * 2 + 1, None]
    if isinstance(value, str):
        return [value + "x", "", "invariant" if value != "invariant" else "none", "1/0", None, 3]
    if isinstance(value, list):
        return [value[:-1], value[::-1], [*value, *value[:1]], None, {}] if value else [[1], None]
    if isinstance(value, dict):
        return [{k: v for i, (k, v) in enumerate(value.items()) if i != at} for at in range(len(value))] + [None, []]
    return ["x", [], 0]


def swapped(data: dict[str, Any], path: tuple[Any, ...], value: Any) -> dict[str, Any]:
    data = copy.deepcopy(data)
    inner: Any = data
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = value
    return data


def judged(path: Path) -> str:
    """What becomes of a forged file: why it cannot be read, which checks fail, or that it verifies."""
    try:
        found = verify(path, rich(), X, run=False)
    except ValueError as error:
        return f"no certificate: {error}"
    return ", ".join(found.failures) or "verified"


def true_all_the_same(place: tuple[Any, ...], value: Any, forged: Any) -> bool:
    """Claims and tries in another order, a dim counted from the other end, and a claim of less from which the rest follows as well."""
    if place in {("claims",), ("refutations",)}:
        return sorted(map(str, value)) == sorted(map(str, forged))
    if place[0] == "axes":
        return value % X.ndim == forged
    return place[0] == "claims" and "strides" in place and forged % value == 0


@pytest.mark.usefixtures("one_graph")
def test_whatever_is_forged_is_refused_even_with_a_digest_that_fits(certificate: Certificate, tmp_path: Path) -> None:
    data = to_data(certificate)
    believed, tried = [], 0
    for place in places(data):
        value = data[place[0]]
        for key in place[1:]:
            value = value[key]
        if place[0] in ("digest", "exact"):
            continue  # made to fit by whoever forges the rest; test_a_hand_edit_is_noticed
        for forged in forgeries(value):
            if forged == value and type(forged) is type(value):
                continue
            tried += 1
            verdict = judged(save(tmp_path / "f.json", swapped(data, place, forged)))
            if verdict == "verified" and not set(ON_TRUST) & set(map(str, place)):
                believed.append((place, value, forged))
    believed = [b for b in believed if not true_all_the_same(*b)]
    assert tried > 2000
    assert not believed, believed[:5]


@pytest.mark.usefixtures("one_graph")
def test_what_was_forged_is_said(certificate: Certificate, tmp_path: Path) -> None:
    data = to_data(certificate)
    deep = next(i for i, c in enumerate(data["claims"]) if c["node"] == "relu")
    masked = next(i for i, c in enumerate(data["claims"]) if c["node"] == "mul")
    cases = [
        (("strides",), [1, 1], "verdict", "strides[0]: 1 in the certificate, 12 follows"),
        (("kind",), "invariant", "verdict", "kind: invariant in the certificate"),
        (("potential",), [1, 1], "verdict", "potential[0]"),
        (("obstacles",), [], "verdict", "obstacles: 0 entries in the certificate"),
        (("obstacles", 0, "theorem"), "uniform", "verdict", "obstacles[0].theorem: uniform"),
        (("obstacles", 0, "remedy"), None, "verdict", "obstacles[0].remedy"),
        (("outputs", 0, "kind"), "invariant", "verdict", "outputs[0].kind"),
        (("outputs", 0, "actions"), [], "verdict", "outputs[0].actions: 0 entries"),
        (("claims", deep, "state", "strides"), [2, 2], "steps", "split[0] (aten.split.Tensor): claims [1, 1]"),
        (("claims", masked, "state", "strides"), [1, 1], "steps", "mul (aten.mul.Tensor): claims [1, 1]"),
        (("claims", deep, "theorem"), "uniform", "steps", "relu (aten.relu.default).theorem: uniform"),
        (("claims",), [c for i, c in enumerate(data["claims"]) if i != deep], "steps", "its claim is missing"),
        (("claims",), [*data["claims"], data["claims"][deep]], "steps", "is claimed twice"),
        (("claims", deep, "node"), "nowhere", "steps", "no tensor of this graph"),
        (("refutations",), data["refutations"][1:], "refutations", "the minimal larger subgroups are those of"),
        (("refutations", 0, "refuted"), False, "refutations", "refuted is False"),
        (("fingerprint", "nodes"), "0" * 64, "graph", "under other names"),
        (("fingerprint", "structure"), "0" * 64, "graph", "it was edited"),
        (("fingerprint", "parameters"), "0" * 64, "weights", "the parameters differ"),
        (("fingerprint", "constants"), "0" * 64, "weights", "the buffers or constants differ"),
        (("weights",), "generic", "weights", "has no hash of weights"),
    ]
    for place, forged, check, words in cases:
        found = verify(save(tmp_path / "f.json", swapped(data, place, forged)), rich(), X, run=False)
        assert check in found.failures, (place, found)
        assert words in " ".join(found[check].found), (place, found)
        assert check in str(found).splitlines()[0]


@pytest.mark.usefixtures("one_graph")
def test_a_whole_chain_of_forged_claims_fails_where_it_begins(certificate: Certificate) -> None:
    """Every claim of the network is given all shifts: each then looks as though it followed from the last, but for the ones that lose some."""
    generous = tuple(dataclasses.replace(c, state=Signal((1, 1), c.state.dims)) for c in certificate.claims)
    found = dataclasses.replace(certificate, claims=generous).verify(rich(), X, run=False)
    assert "steps" in found.failures
    blamed = " ".join(found["steps"].found)
    assert all(node in blamed for node in ("conv2d_1", "mul"))
    assert "relu (" not in blamed


@pytest.mark.usefixtures("one_graph")
def test_a_careless_checker_would_believe_it(certificate: Certificate, monkeypatch: pytest.MonkeyPatch) -> None:
    """The tester: without the one comparison that checks a step, the forged step passes, and only running it contradicts it."""
    mask = next(c for c in certificate.claims if c.node == "mul")
    forged = dataclasses.replace(
        certificate,
        claims=tuple(
            dataclasses.replace(c, state=Signal((1, 1), c.state.dims)) if c is mask else c for c in certificate.claims
        ),
    )
    assert forged.verify(rich(), X, run=False)["steps"].holds is False
    monkeypatch.setattr(verification, "follows", lambda *_: True)
    careless = forged.verify(rich(), X)
    assert careless["steps"].holds
    assert careless["squares"].holds is False


@pytest.mark.usefixtures("one_graph")
def test_a_claim_of_less_follows(certificate: Certificate) -> None:
    """The states restricted to a smaller subgroup: true, if less. The verdict that follows from them is less as well."""
    shape = certificate.shape
    trivial = tuple(
        dataclasses.replace(c, state=Signal(shape, tuple((Still(n),) if n != 1 else () for n in c.state.shape)))
        for c in certificate.claims
    )
    found = dataclasses.replace(certificate, claims=trivial).verify(rich(), X, run=False)
    assert found["steps"].holds, found
    assert any(text.startswith("outputs[2].strides") for text in found["verdict"].found)


def test_forged_refutations_are_repeated() -> None:
    """A network that is constant respects every shift; the derivation knows of some, and the forged tries say that no others hold."""
    constant = nn.Sequential(nn.AvgPool2d(2), nn.Hardtanh(5, 6)).eval()
    real = certify(constant, X)
    assert not real.exact
    tries = tuple(dataclasses.replace(r, error=1.0, floor=1e-12, refuted=True) for r in real.refutations or ())
    forged = dataclasses.replace(real, refutations=tries)
    assert forged.exact
    assert forged.verify(constant, X, run=False)["refutations"].holds, "only running tells"
    assert "that they refute" in forged.verify(constant, X, run=False).on_trust[-2]
    found = forged.verify(constant, X)
    assert found.failures == ("refutations",)
    assert "no input that was tried here refutes it" in found["refutations"].found[0]


def test_a_hand_edit_is_noticed(certificate: Certificate, tmp_path: Path) -> None:
    path = certificate.save(tmp_path / "c.json")
    data = json.loads(path.read_text())
    path.write_text(json.dumps(dict(reversed(data.items()))))
    assert Certificate.load(path) == certificate, "another layout of the same data is the same certificate"
    path.write_text(json.dumps(data | {"model": "Other"}))
    with pytest.raises(ValueError, match="was edited after it was saved"):
        Certificate.load(path)
    found = verify(path, rich(), X, run=False)
    assert found.failures == ("digest",)
    path.write_text(json.dumps(data | {"exact": False}))
    with pytest.raises(ValueError, match="exact: the file says False"):
        Certificate.load(path)


# Another network --------------------------------------------------------------------------------------------------------


def test_another_network_is_told_from_other_weights(certificate: Certificate) -> None:
    found = certificate.verify(rich(seed=1), X, run=False)
    assert found.failures == ("weights",)
    assert "the parameters differ" in found["weights"].found[0]
    other = rich()
    other.mask += 1
    found = certificate.verify(other, X, run=False)
    assert found.failures == ("weights",)
    assert "the buffers or constants differ" in found["weights"].found[0]
    wide = rich()
    wide.stem = nn.Conv2d(1, 2, 5, padding=2, padding_mode="circular")
    found = certificate.verify(wide.eval(), X, run=False)
    assert "graph" in found.failures
    assert "another architecture" in found["graph"].found[0]
    torch.manual_seed(0)
    found = certificate.verify(Renamed().eval(), X, run=False)
    assert found.failures == ("graph",)
    assert "under other names (a module was renamed)" in found["graph"].found[0]
    old = dataclasses.replace(certificate, versions=(("torch", "0.0.1"),))
    assert "as torch 0.0.1 exported it" in old.verify(wide.eval(), X, run=False)["graph"].found[0]


class Renamed(Rich):
    """The same network, its first part under another name."""

    def __init__(self) -> None:
        nn.Module.__init__(self)
        self.start = nn.Conv2d(1, 2, 3, padding=1, padding_mode="circular")
        self.norm = nn.BatchNorm2d(2)
        self.down = nn.Conv2d(2, 2, 3, stride=2, padding=1)
        self.register_buffer("mask", torch.arange(4.0).repeat(2))

    @property
    def stem(self) -> nn.Module:
        return self.start


def test_a_certificate_for_any_weights_holds_for_other_weights() -> None:
    generic = certify(rich(), X, weights="generic", refute=False)
    assert generic.fingerprint is not None
    assert generic.fingerprint.parameters is None
    assert generic.verify(rich(seed=1), X, run=False)
    other = rich(seed=1)
    other.mask *= 2
    found = generic.verify(other, X, run=False)
    assert found
    assert "other values" in found["weights"].found[0]
    other.mask[0] = 7.0  # the steps are checked with the values at hand, and these have no period of 4
    assert generic.verify(other, X, run=False).failures == ("steps", "verdict")


def test_a_certificate_made_without_values_holds_for_any() -> None:
    """A model on the meta device is certified for any weights, and so verifies on it and on the loaded one, where it is run too."""

    def made() -> nn.Module:
        return nn.Sequential(nn.Conv2d(1, 2, 3, 2, 1, padding_mode="circular"), nn.ReLU()).eval()

    with torch.device("meta"):
        bare = made()
    certificate = certify(bare, torch.empty(1, 1, 12, 8, device="meta"))
    found = certificate.verify(bare)
    assert found, found
    assert found["squares"].holds is None
    assert any("nothing was run" in text for text in found.on_trust)
    loaded = certificate.verify(made())
    assert loaded, loaded
    assert loaded["squares"].holds
    these = certify(made(), X)
    assert these.verify(bare).failures == ("weights",), "no values are not those that were certified"


def test_a_program_verifies_the_certificate_of_its_model(tmp_path: Path) -> None:
    net = rich()
    torch.export.save(torch.export.export(net, (X,)), tmp_path / "net.pt2")
    found = certify(net, X, refute=False).verify(torch.export.load(tmp_path / "net.pt2"), X, run=False)
    assert found, found
    assert "the name of the model's class, Rich; here it is ExportedProgram" in found.on_trust


def test_inputs_of_other_shapes_and_unsound_models_are_refused(certificate: Certificate) -> None:
    with pytest.raises(ValueError, match=r"x: has the shapes .*16.* certify anew"):
        certificate.verify(rich(), torch.randn(1, 1, 12, 16))
    with pytest.raises(ValueError, match=r"float64.*float32"):
        certificate.verify(rich().double(), X.double())
    with pytest.raises(ValueError, match="training mode"):
        certificate.verify(rich().train(), X)
    broken = rich()
    with torch.no_grad():
        broken.stem.weight[0] = float("nan")
    with pytest.raises(ValueError, match="NaN"):
        certificate.verify(broken, X)


# Files ------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda d: d.pop("strides"), "strides: is missing"),
        (lambda d: d.update(strides="12"), "strides: a text '12' came, a list is expected"),
        (lambda d: d.update(strides=[12, True]), r"strides\[1\]: a truth value True came, a whole number"),
        (lambda d: d.update(strides=[5, 8]), r"strides: \[5, 8\] came; a divisor of each of the sizes \[12, 8\]"),
        (lambda d: d.update(shape=[0, 8]), "shape: "),
        (lambda d: d.update(kind="perfect"), "kind: 'perfect' came, one of invariant"),
        (lambda d: d.update(claims={}), "claims: a object came, a list"),
        (lambda d: d["claims"][3].pop("state"), r"claims\[3\].state: is missing"),
        (lambda d: d["claims"][3].update(extra=1), r"claims\[3\].extra: is no field"),
        (lambda d: d["claims"][0]["state"]["dims"][2][0].update(step="1/0"), r"dims\[2\]\[0\].step: a text '1/0' came"),
        (lambda d: d["claims"][0]["state"]["dims"][2][0].update(step="9" * 40), r"step: a text .* a fraction"),
        (lambda d: d["claims"][0]["state"]["dims"][2][0].update(period=7), r"claims\[0\].state.dims\[2\]: broken"),
        (lambda d: d["claims"][0]["state"]["dims"][2][0].update(axis=9), r"claims\[0\].state.dims\[2\]: "),
        (lambda d: d["claims"][0]["state"]["dims"][2][0].update(window=-3), "has the size -3"),
        (lambda d: d["claims"][0]["state"]["dims"][2].append({}), r"dims\[2\]\[1\]: must have one of the fields still"),
        (lambda d: d.update(format=2), "format: it is of format 2, .* certify the network anew"),
        (lambda d: d.update(format=True), "format: True came"),
        (lambda d: d.update(format=4), "format: 4 came"),
        (lambda d: d["refutations"][0].update(error="much"), r"refutations\[0\].error: a text 'much' came, a number"),
        (lambda d: d["refutations"][0].update(shift=[1]), r"refutations\[0\].shift: has 1 entries"),
        (lambda d: d["outputs"][0]["actions"].append([0, 1]), r"outputs\[0\].actions\[2\]: has 2 entries, 3 are"),
        (lambda d: d.update(input_dtypes=[]), "input_dtypes: must have an entry"),
    ],
)
def test_malformed_fields_are_named(certificate: Certificate, tmp_path: Path, change: Any, words: str) -> None:
    data = to_data(certificate)
    change(data)
    with pytest.raises(ValueError, match=words) as caught:
        Certificate.load(save(tmp_path / "bad.json", data))
    assert "no certificate" in str(caught.value)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('{"format": 3, "format": 3}', "format: stands twice"),
        ('{"format": NaN}', "holds NaN"),
        ('{"format": ' + "9" * 5000 + "}", "whole number of 5000 digits"),
        ("[" * 100_000, "nested too deeply"),
        ("3", "holds a whole number"),
    ],
)
def test_texts_that_are_no_certificate(tmp_path: Path, text: str, words: str) -> None:
    (tmp_path / "bad.json").write_text(text)
    with pytest.raises(ValueError, match=words):
        Certificate.load(tmp_path / "bad.json")


def test_a_huge_file_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, certificate: Certificate) -> None:
    path = certificate.save(tmp_path / "c.json")
    monkeypatch.setattr("equiconv.certification.records.MOST_BYTES", 1000)
    with pytest.raises(ValueError, match=r"bytes, and at most 1,000 are read"):
        Certificate.load(path)


def test_a_concatenation_that_is_nested_without_end_is_refused(certificate: Certificate) -> None:
    data = to_data(certificate)
    factor: dict[str, Any] = {"still": 1}
    for _ in range(100):
        factor = {"sum": [[factor], [{"still": 1}]]}
    data["claims"][0]["state"]["dims"][0] = [factor]
    with pytest.raises(ValueError, match="nested more than 16 deep"):
        from_data(data)


def test_infinities_are_written_as_json_knows_them(certificate: Certificate, tmp_path: Path) -> None:
    first = dataclasses.replace((certificate.refutations or ())[0], error=float("inf"))
    endless = dataclasses.replace(certificate, refutations=(first,))
    path = endless.save(tmp_path / "c.json")
    assert json.loads(path.read_text(), parse_constant=pytest.fail)["refutations"][0]["error"] == "inf"
    assert Certificate.load(path) == endless


# Fingerprints -----------------------------------------------------------------------------------------------------------


def test_the_canonical_text_holds_no_path_and_no_address() -> None:
    class Conditional(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return torch.cond(x.sum() > 0, lambda y: y.sin(), lambda y: y.cos(), (x,)) + torch.arange(8.0)

    texts = ["\n".join(canonical_lines(capture(Conditional().eval(), (X,)))) for _ in range(2)]
    assert texts[0] == texts[1]
    assert "0x" not in texts[0]
    assert "/" not in texts[0]
    assert "aten.sin.default" in texts[0], "the branches of a condition are part of the graph"


def test_the_fingerprint_tells_apart_what_differs() -> None:
    def of(net: nn.Module, x: Tensor = X, generic: bool = False) -> Any:
        return fingerprint(capture(net.eval(), (x,)), generic)

    base = of(rich())
    assert of(rich()) == base
    assert of(rich(), X + 1) == base
    assert of(rich(), X[..., :4].repeat(1, 1, 1, 2)) == base
    assert of(rich(), X[:, :, :6].repeat(1, 1, 4, 1)).nodes != base.nodes, "shapes are part of a graph"
    assert of(rich(1)).parameters != base.parameters
    assert of(rich(1)).constants == base.constants
    assert of(rich(), generic=True) == dataclasses.replace(base, parameters=None)
    double = of(rich().double(), X.double())
    assert (double.nodes, double.parameters) != (base.nodes, base.parameters)
    with torch.device("meta"):
        net = nn.Conv2d(1, 1, 3)
    assert of(net, X.to("meta")).parameters is None

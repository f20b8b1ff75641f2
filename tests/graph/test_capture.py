"""Capture: a functional graph that computes what the model computes, with the user's own lines."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from equiconv.graph import WRAPPABLE, CaptureError, SourceLine, capture, wrapped
from equiconv.graph.source import source_of
from equiconv.graph.wrapping import wrap


class Helper(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(1, 2, 3, padding=1)

    def body(self, x):
        return self.conv(x).relu_()

    def forward(self, x):
        y = self.body(x)
        y[:, 0] = 0  # an in-place write through a view
        return {"map": y, "sum": y.sum()}


X = torch.randn(1, 1, 6, 5, generator=torch.Generator().manual_seed(0))


def test_lines_of_helper_methods_and_module_paths() -> None:
    graph = capture(Helper().eval(), (X,))
    node = next(n for n in graph.nodes if n.operation == "aten.conv2d.default")
    assert node.module == "conv"
    assert node.source.code == "return self.conv(x).relu_()"
    assert node.source.function == "body"
    assert node.source.file == __file__


def test_in_place_writes_are_functional_and_outputs_are_labelled() -> None:
    graph = capture(Helper().eval(), (X,))
    assert not any(getattr(n.target, "_schema", None) and n.target._schema.is_mutable for n in graph.nodes)
    assert [label for label, _ in graph.outputs] == ["output['map']", "output['sum']"]


def test_runs_node_by_node() -> None:
    net = Helper().eval()
    graph = capture(net, (X,))
    seen = []
    outputs = graph.run([X], lambda node, value: seen.append(node.name))
    assert len(seen) == len(graph.nodes)
    expected = net(X)
    torch.testing.assert_close(outputs, [expected["map"], expected["sum"]], rtol=0, atol=0)
    assert graph.run([X], dtype=torch.float64)[0].dtype == torch.float64


def test_observer_may_replace_a_value() -> None:
    graph = capture(nn.ReLU().eval(), (X,))
    assert (
        graph.run([X], lambda node, value: torch.zeros_like(value) if node.kind == "input" else None)[0].abs().max()
        == 0
    )


def test_rounding_floor_bounds_rounding_and_no_more() -> None:
    """The floor, found without any comparison, covers the difference between float32 and float64 and stays near it."""
    torch.manual_seed(0)
    net = nn.Sequential(nn.Conv2d(1, 8, 3), nn.ReLU(), nn.Conv2d(8, 8, 3), nn.Flatten(), nn.Linear(16, 4)).eval()
    graph = capture(net, (X,))
    single, double = graph.run([X])[0].double(), graph.run([X], dtype=torch.float64)[0]
    error = float((single - double).abs().max())
    floor = graph.rounding([X])[graph.outputs[0][1]]
    assert 0 < error < 32 * floor
    assert floor < 1e-5
    assert graph.rounding([X], torch.float64)[graph.outputs[0][1]] < 1e-13


def test_a_model_that_branches_on_export_is_refused() -> None:
    class Exported(nn.Module):
        def forward(self, x):
            return x * 2 if torch.compiler.is_exporting() else x

    with pytest.raises(CaptureError, match="branches on being exported"):
        capture(Exported().eval(), (X,))


def test_inputs_of_another_structure_are_refused() -> None:
    graph = capture(nn.ReLU().eval(), (X,))
    with pytest.raises(ValueError, match="structure"):
        graph.flatten((X, X), {})


def test_source_lines() -> None:
    assert source_of(None) is None
    line = SourceLine("/a/b/site-packages/timm/models/resnet.py", 7, "forward", "x = 1")
    assert str(line) == "timm/models/resnet.py:7  x = 1"
    assert str(SourceLine("model.py", 3)) == "model.py:3"


def test_wrap_many_times() -> None:
    x = torch.arange(3)
    assert wrap(x, [0], [7], [5]).tolist() == [i % 3 for i in range(-7, 8)]
    assert wrap(x, [0], [-1], [0]).tolist() == [1, 2]


PADDED = {
    "conv": lambda x: F.conv2d(x, torch.ones(2, 1, 3, 3), padding=(1, 2), dilation=(1, 2)),
    "same": lambda x: F.conv2d(x, torch.ones(2, 1, 2, 3), padding="same"),
    "max pool": lambda x: F.max_pool2d(x, 3, 1, 1),
    "average pool": lambda x: F.avg_pool2d(x, 3, 1, 1),
    "pad": lambda x: F.pad(x, (1, 2, 3, 0)),
    "reflect": lambda x: F.pad(x, (1, 2, 3, 0), mode="reflect"),
    "columns": lambda x: F.unfold(x, 3, padding=1),
}


@pytest.mark.parametrize("name", PADDED)
def test_wrapped_operations_commute_with_shifts_and_the_originals_do_not(name: str) -> None:
    class Net(nn.Module):
        def forward(self, x):
            return PADDED[name](x)

    graph = capture(Net().eval(), (X,))
    node = next(n for n in graph.nodes if n.operation in WRAPPABLE)
    shifted = torch.roll(X, (1, 2), (2, 3))
    turned = {node.name: wrapped(node, [2, 3])}

    def aligned(override) -> bool:
        a, b = graph.run([X], override=override)[0], graph.run([shifted], override=override)[0]
        if a.ndim == 3:
            a, b = a.unflatten(2, (6, 5)), b.unflatten(2, (6, 5))
        rolled = torch.roll(a, (1, 2), (2, 3))
        if name in ("pad", "reflect"):  # a halo: compare the part that holds one period
            rolled, b = torch.roll(a[:, :, 3:9, 1:6], (1, 2), (2, 3)), b[:, :, 3:9, 1:6]
            if override is None:
                b, rolled = graph.run([shifted])[0][:, :, :6, :5], torch.roll(a[:, :, :6, :5], (1, 2), (2, 3))
        return torch.allclose(b, rolled, atol=1e-5)

    assert aligned(turned)
    assert not aligned(None)


def test_dims_that_do_not_wrap_keep_their_padding() -> None:
    class Net(nn.Module):
        def forward(self, x):
            return F.pad(x, (1, 1, 0, 0, 0, 2)) + 0

    graph = capture(Net().eval(), (X,))
    node = next(n for n in graph.nodes if n.operation in WRAPPABLE)
    out = graph.run([X], override={node.name: wrapped(node, [3])})[0]
    assert out.shape == (1, 3, 6, 7)
    assert float(out[:, 1:].abs().max()) == 0
    assert torch.equal(out[:, :1, :, 0], X[..., -1])


# Operations that are opened ---------------------------------------------------------------------------------------------


class Whole(nn.Module):
    def forward(self, x):
        return torch.tensordot(x, x, ([3], [3])), torch.linalg.inv(x[0, 0, :5] @ x[0, 0, :5].mT + 9 * torch.eye(5))


def test_an_operation_is_opened_where_torch_says_what_it_is_made_of() -> None:
    names = {"aten.tensordot.default", "aten.linalg_inv.default"}
    closed = capture(Whole().eval(), (X,))
    assert names <= {n.operation for n in closed.nodes}
    opened = capture(Whole().eval(), (X,), opens=lambda target: str(target) in names)
    found = {n.operation for n in opened.nodes}
    assert "aten.tensordot.default" not in found
    assert "aten.mm.default" in found
    # the inverse is made of a check that may raise, which is no function: it stays closed, and keeps nothing else closed
    assert "aten.linalg_inv.default" in found
    for a, b in zip(opened.run([X]), closed.run([X]), strict=True):
        torch.testing.assert_close(a, b)


def test_what_is_opened_keeps_the_users_line() -> None:
    opened = capture(Whole().eval(), (X,), opens=lambda target: "tensordot" in str(target))
    node = next(n for n in opened.nodes if n.operation == "aten.mm.default")
    assert node.source.code.startswith("return torch.tensordot(x, x")


def test_a_program_in_core_aten_is_captured_with_its_padding() -> None:
    net = nn.Sequential(nn.Conv2d(1, 2, 3, padding=1), nn.ReLU()).eval()
    graph = capture(torch.export.export(net, (X,)).run_decompositions(), (X,))
    node = next(n for n in graph.nodes if n.operation == "aten.convolution.default")
    (circular,) = graph.run([X], override={node.name: wrapped(node, (2, 3))})
    padded = F.pad(X, (1, 1, 1, 1), mode="circular")
    torch.testing.assert_close(circular, F.conv2d(padded, net[0].weight, net[0].bias).relu())


def test_an_infinity_is_not_perturbed() -> None:
    """Max pools pad with −∞; −∞·(1 + δ) is NaN for half of all δ, and an infinite floor would excuse every difference."""

    class Pool(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            padded = nn.functional.pad(x, (1, 1, 1, 1), value=-float("inf"))
            return nn.functional.max_pool2d(padded, 3, 1)

    x = torch.randn(1, 1, 6, 6, generator=torch.Generator().manual_seed(0))
    floors = capture(Pool().eval(), (x,)).rounding([x], torch.float64)
    assert all(0 <= floor < 1e-14 for floor in floors.values())
    assert max(floors.values()) > 0


@pytest.mark.parametrize("environment", ["/home/a/env/lib/python3.11/site-packages", r"C:\env\Lib\site-packages"])
def test_lines_of_a_program_that_was_exported_elsewhere(environment: str) -> None:
    """Its stacks hold that environment's paths of torch and of this library, which are no user's lines there either."""
    mark = "\\" if "\\" in environment else "/"
    stack = [
        (f"{environment}/torch/_dynamo/functional_export.py", "forward"),
        ("/home/a/model.py", "helper"),
        (f"{environment}/equiconv/convolution/circular.py", "circular_convolve"),
        (f"{environment}/torch/_ops.py", "__call__"),
        (f"{environment}/equiconv/convolution/operation.py", "convolve_traced"),
    ]
    text = "".join(
        f'  File "{file.replace("/", mark) if file.startswith(environment) else file}", line 12, in {function}\n    y\n'
        for file, function in stack
    )
    found = source_of(text)
    assert found is not None
    assert (found.file, found.line, found.function) == ("/home/a/model.py", 12, "helper")
    classifier = source_of(text + f'  File "{environment}/equiconv/nn/classifier.py", line 3, in forward\n    y\n')
    assert classifier is not None
    assert classifier.line == 3
    assert source_of(f'  File "{environment}/torch/_ops.py", line 1, in f\n') is None

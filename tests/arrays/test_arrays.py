"""Which library an array belongs to, what is refused, and in which dtype things are computed."""

import subprocess
import sys

import array_api_strict
import numpy as np
import pytest
import torch

from equiconv import arrays

LIBRARIES = {"numpy": np, "torch": torch, "array_api_strict": array_api_strict}


@pytest.mark.parametrize("name", LIBRARIES)
def test_library_and_namespace(name):
    x = LIBRARIES[name].ones(3)
    assert arrays.library(x) == name
    y = arrays.namespace(x, x).roll(x, (1,), axis=(0,))
    assert arrays.library(y) == name
    assert y.dtype == x.dtype


def test_cupy_is_never_imported():
    code = """
import sys
class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.partition('.')[0] == 'cupy':
            raise AssertionError('cupy was imported')
sys.meta_path.insert(0, Refuse())
import numpy as np, torch
from equiconv import arrays
for x in (np.ones(3), torch.ones(3)):
    arrays.namespace(x), arrays.require_floating(x, 'x'), arrays.promote(x), arrays.to_numpy(x)
try:
    import cupy
except AssertionError:
    print('the trap works')
"""
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    assert result.stdout.strip() == "the trap works"


@pytest.mark.parametrize("value", [[1.0, 2.0], 3.0, None, "abc", (1,)])
def test_what_is_no_array_is_refused(value):
    with pytest.raises(TypeError, match="must be a NumPy, CuPy or torch array"):
        arrays.namespace(value)


def test_arrays_whose_meaning_would_be_lost_are_refused():
    with pytest.raises(TypeError, match="plain array"):
        arrays.library(np.ma.masked_array([1.0, 2.0], [True, False]))
    with pytest.raises(TypeError, match="plain array"):
        arrays.library(np.ones((2, 2)).view(np.matrix))


def test_mixed_libraries_and_devices_are_refused():
    with pytest.raises(TypeError, match=r"different libraries \(numpy, torch\).*as_tensor"):
        arrays.namespace(np.ones(2), torch.ones(2))
    with pytest.raises(ValueError, match=r"different devices \(cpu, meta\).*to\(device\)"):
        arrays.namespace(torch.ones(2), torch.ones(2, device="meta"))
    with pytest.raises(TypeError, match="at least one array"):
        arrays.namespace()


@pytest.mark.parametrize(
    "dtype", ["float16", "float32", "float64", "longdouble", ">f4", "complex64", "complex128", "clongdouble"]
)
def test_floating_numpy_dtypes_are_accepted(dtype):
    arrays.require_floating(np.zeros(2, dtype=dtype), "x")


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64, torch.complex64])
def test_floating_torch_dtypes_are_accepted(dtype):
    arrays.require_floating(torch.zeros(2, dtype=dtype), "x")


@pytest.mark.parametrize(
    ("x", "conversion"),
    [
        (np.arange(3), r"got int64; write signal\.astype\(numpy\.float64\)"),
        (np.zeros(3, dtype=bool), r"got bool; write signal\.astype"),
        (np.zeros(3, dtype=object), "got object"),
        (torch.arange(3), r"got int64; write signal\.to\(torch\.get_default_dtype\(\)\)"),
        (torch.zeros(3, dtype=torch.float8_e4m3fn), "got float8_e4m3fn"),
        (array_api_strict.arange(3), r"write array_api_strict\.astype\(signal"),
    ],
)
def test_what_is_not_floating_is_refused_with_the_conversion(x, conversion):
    with pytest.raises(TypeError, match=rf"signal must be real or complex floating, .*{conversion}"):
        arrays.require_floating(x, "signal")


def test_the_conversion_that_is_named_works():
    x, torch_x = np.arange(3), torch.arange(3)
    arrays.require_floating(eval("x.astype(numpy.float64)", {"x": x, "numpy": np}), "x")
    arrays.require_floating(eval("x.to(torch.get_default_dtype())", {"x": torch_x, "torch": torch}), "x")


@pytest.mark.parametrize(
    ("dtype", "computed"),
    [
        (torch.float16, torch.float32),
        (torch.bfloat16, torch.float32),
        (torch.complex32, torch.complex64),
        (torch.float64, torch.float64),
        (np.dtype("float16"), np.dtype("float32")),
        (np.dtype("complex128"), np.dtype("complex128")),
        (np.dtype("longdouble"), np.dtype("longdouble")),
    ],
)
def test_compute_dtype(dtype, computed):
    assert arrays.compute_dtype(dtype) == computed


@pytest.mark.parametrize(
    ("dtypes", "computed", "returned"),
    [
        ((torch.float16, torch.float16), torch.float32, torch.float16),
        ((torch.float16, torch.bfloat16), torch.float32, torch.float32),
        ((torch.float16, torch.float64), torch.float64, torch.float64),
        ((torch.float64, torch.complex64), torch.complex128, torch.complex128),
    ],
)
def test_promotion_never_narrows(dtypes, computed, returned):
    cast, dtype = arrays.promote(*(torch.ones(2, dtype=d) for d in dtypes))
    assert [x.dtype for x in cast] == [computed] * len(dtypes)
    assert dtype == returned


def test_promotion_keeps_gradients():
    x = torch.ones(2, dtype=torch.float16, requires_grad=True)
    (wide,), _ = arrays.promote(x)
    wide.sum().backward()
    assert x.grad is not None
    assert x.grad.dtype == torch.float16


def test_to_numpy_copies_and_detaches():
    x = np.ones(3)
    assert arrays.to_numpy(x) is not x
    arrays.to_numpy(x)[0] = 5
    assert x[0] == 1
    z = torch.tensor([1 + 2j], requires_grad=True)
    assert arrays.to_numpy(z.conj()).tolist() == [1 - 2j]
    b = torch.tensor([1.5], dtype=torch.bfloat16)
    assert arrays.to_numpy(b).dtype == np.float32
    assert arrays.to_numpy(array_api_strict.ones(2)).tolist() == [1, 1]


@pytest.mark.parametrize(
    ("axes", "error", "message"),
    [
        ((), ValueError, "at least one axis"),
        (3, ValueError, "names axis 3, but the array has 3 axes"),
        (-4, ValueError, "names axis -4"),
        ((0, -3), ValueError, "names an axis twice"),
        (1.0, TypeError, "integer"),
        (True, TypeError, "integer"),
        ("0", TypeError, "integer"),
    ],
)
def test_bad_axes_are_refused(axes, error, message):
    with pytest.raises(error, match=message):
        arrays.normalize_axes(axes, 3)


def test_axes_keep_their_order():
    assert arrays.normalize_axes([np.int64(-1), 0], 3) == (2, 0)
    assert arrays.axis_sizes(np.zeros((2, 3, 4)), (-1, 0)) == (4, 2)
    with pytest.raises(ValueError, match="empty along axes 1"):
        arrays.axis_sizes(np.zeros((2, 0)), 1)


@pytest.mark.parametrize("least", range(1, 60))
def test_fast_length_is_the_next_smooth_number(least):
    def smooth(n):
        return n == 1 or any(n % p == 0 and smooth(n // p) for p in (2, 3, 5, 7))

    assert arrays.fast_length(least) == min(n for n in range(least, 2 * least + 1) if smooth(n))

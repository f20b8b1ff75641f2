"""The laws on functions that others wrote: they hold, but for what those functions really break."""

from __future__ import annotations

import pytest

from equiconv.testing import assert_laws, verify_laws
from tests.testing import others
from tests.testing.others import OTHERS


@pytest.mark.parametrize("name", OTHERS)
def test_what_others_wrote_follows_the_laws(name: str) -> None:
    other = OTHERS[name]
    table = verify_laws(other.f, "convolution", examples=8, shrink=False, name=name, **other.options)
    assert {row.law.name for row in table.rows if row.status == "failed"} == set(other.broken), table
    assert not table.vacuous
    assert table.passed >= 15  # and not because it refused the rest
    assert all(row.reason for row in table.rows if row.status == "skipped")


@pytest.mark.filterwarnings("ignore:Using a non-tuple sequence")
def test_fft_conv_pytorch_follows_the_laws_in_float32_and_is_caught_in_float64() -> None:
    """It pads a spectrum of complex64 whatever it is given, and returns float32 for float64 (1.2.0)."""
    package = pytest.importorskip("fft_conv_pytorch")

    def f(x, w):
        m = w.shape[0]
        left = (m - 1) // 2
        padded = others.F.pad(x[None, None], (left, m - 1 - left), mode="circular")
        return package.fft_conv(padded, w[None, None])[0, 0]

    said = {"as_": "convolution", "library": "torch", "dims": 1, "correlate": True, "origin": "(m-1)//2", "examples": 8}
    assert_laws(f, dtypes=("float32",), **said)
    table = verify_laws(f, dtypes=("float32", "float64"), **said)
    assert {"float64", "definition"} <= {row.law.name for row in table.rows if row.status == "failed"}


@pytest.mark.parametrize(
    ("name", "wrong", "told"),
    [
        ("torch conv1d", {"correlate": False}, "this is a correlation"),
        ("torch conv1d", {"origin": 0}, "its kernel's centre is at (m-1)//2"),
        ("scipy.ndimage.convolve", {"origin": 0}, "its kernel's centre is at m//2"),
        ("scipy.signal.fftconvolve", {"correlate": True}, "this is a convolution"),
    ],
)
def test_a_wrong_word_is_told_by_name(name: str, wrong: dict, told: str) -> None:
    """The commonest confusion: it is right, and something else than was said."""
    other = OTHERS[name]
    table = verify_laws(other.f, "convolution", laws=["definition"], shrink=False, **{**other.options, **wrong})
    assert table.failed
    assert told in table.diagnosis[0]


def test_a_test_is_three_lines() -> None:
    from scipy.ndimage import convolve1d

    assert_laws(
        lambda x, w: convolve1d(x, w, mode="wrap"),
        "convolution",
        origin="m//2",
        dtypes=["float64"],
        laws=["shift_x", "definition", "matrix"],
    )

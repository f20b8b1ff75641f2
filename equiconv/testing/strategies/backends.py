"""Which array libraries, devices and dtypes there are to draw from."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from types import ModuleType
from typing import TYPE_CHECKING, Any

from equiconv.arrays import dtype_name
from equiconv.testing.strategies.drawing import one_of

if TYPE_CHECKING:
    from hypothesis.strategies import SearchStrategy

__all__ = ["LIBRARIES", "absent", "devices", "dtypes", "libraries", "native_device", "native_dtype", "present", "xp_of"]

#: The array libraries that equiconv works with.
LIBRARIES = ("numpy", "torch", "cupy")

# The simplest first: double precision, in which sums of small integers are exact. (name, kind, bits of the real part)
_DTYPES = (
    ("float64", "real", 64),
    ("float32", "real", 32),
    ("complex128", "complex", 64),
    ("complex64", "complex", 32),
    ("float16", "real", 16),
    ("bfloat16", "real", 16),
)


@cache
def absent(library: str) -> str | None:
    """Why an array library cannot be drawn from here, in a few words; None where it can.

    CuPy is present where it is installed *and* a device answers. Raises `ValueError` for another name.

    >>> absent("numpy") is None
    True
    """
    one_of(library, "library", LIBRARIES)
    if find_spec(library) is None:
        return f"{library} is not installed"
    if library != "cupy":
        return None
    try:
        cupy = import_module("cupy")
        count = int(cupy.cuda.runtime.getDeviceCount())
    # A driver that is missing or too old raises errors of CuPy's own, which cannot be named before it is imported.
    except Exception as error:  # noqa: BLE001
        return f"cupy finds no device ({type(error).__name__}: {error})"
    return None if count else "cupy finds no device"


def present() -> tuple[str, ...]:
    """The array libraries that can be drawn from here, NumPy first.

    >>> present()[:2]
    ('numpy', 'torch')
    """
    return tuple(name for name in LIBRARIES if absent(name) is None)


def libraries() -> SearchStrategy[str]:
    """The array libraries present, by name: ``"numpy"``, ``"torch"``, and ``"cupy"`` where a device answers.

    They shrink to ``"numpy"``. `absent` says why one does not come.

    >>> from hypothesis import find, settings
    >>> find(libraries(), lambda name: True, settings=settings(database=None))
    'numpy'
    """
    from hypothesis import strategies as st

    return st.sampled_from(present())


def devices(library: str = "numpy") -> SearchStrategy[str]:
    """The devices that arrays of a library can live on: ``"cpu"``, and ``"cuda:0"`` and so on where they are.

    They shrink to the first. Raises `ValueError` for a library that is unknown or not present.

    >>> from hypothesis import find, settings
    >>> find(devices("torch"), lambda name: True, settings=settings(database=None))
    'cpu'
    """
    from hypothesis import strategies as st

    return st.sampled_from(_devices(_required(library)))


def _devices(library: str) -> list[str]:
    if library == "numpy":
        return ["cpu"]
    if library == "cupy":
        return [f"cuda:{i}" for i in range(int(import_module("cupy").cuda.runtime.getDeviceCount()))]
    torch = import_module("torch")
    return ["cpu", *(f"cuda:{i}" for i in range(torch.cuda.device_count()))]


def dtypes(
    library: str = "numpy", kinds: Sequence[str] = ("real", "complex"), widths: Sequence[int] = (16, 32, 64)
) -> SearchStrategy[str]:
    """Floating dtypes of a library, by name: float64, float32, complex128, complex64, float16, and torch's bfloat16.

    They shrink to the first of these, in this order.

    Parameters
    ----------
    library: ``"numpy"``, ``"torch"`` or ``"cupy"``.
    kinds: ``"real"``, ``"complex"``, or both.
    widths: bits of a real number, or of the real part of a complex one: 16, 32, 64.

    Raises
    ------
    ValueError: an unknown library, kind or width, or a choice that leaves no dtype (there is no complex one of 16 bits
        that every library has).

    Examples
    --------
    >>> from hypothesis import find, settings
    >>> find(dtypes("torch", widths=(16,)), lambda name: name != "float16", settings=settings(database=None))
    'bfloat16'
    """
    from hypothesis import strategies as st

    one_of(library, "library", LIBRARIES)
    kinds = (kinds,) if isinstance(kinds, str) else tuple(kinds)
    widths = (widths,) if isinstance(widths, int) else tuple(widths)
    for kind in kinds:
        one_of(kind, "kinds", ("real", "complex"))
    for width in widths:
        if width not in (16, 32, 64):
            raise ValueError(f"widths: got {width!r}; choose of 16, 32 and 64, the bits of a real number")
    found = [
        name
        for name, kind, width in _DTYPES
        if kind in kinds and width in widths and (name != "bfloat16" or library == "torch")
    ]
    if not found:
        raise ValueError(f"widths: {library} has no dtype of the kinds {kinds} with {widths} bits; allow others")
    return st.sampled_from(found)


def _required(library: str) -> str:
    reason = absent(library)
    if reason:
        raise ValueError(f"library: {reason}; install it, or draw from libraries(), which holds what is present")
    return library


def xp_of(library: str) -> ModuleType:
    """The array-api-compat namespace of a library that is present, which is imported here and not before.

    >>> xp_of("numpy").__name__
    'array_api_compat.numpy'
    """
    return import_module(f"array_api_compat.{_required(library)}")


def native_dtype(dtype: Any, library: str) -> Any:
    """The library's own dtype of a name, or of another library's dtype.

    Raises `ValueError` where the library has no floating dtype of that name.

    >>> native_dtype("bfloat16", "torch"), native_dtype("float32", "numpy")
    (torch.bfloat16, dtype('float32'))
    """
    name = dtype if isinstance(dtype, str) else dtype_name(dtype)
    known = [n for n, _, _ in _DTYPES if n != "bfloat16" or library == "torch"]
    if name not in known:
        raise ValueError(f"dtype: got {name!r}; the floating dtypes of {library} are {', '.join(known)}")
    found = getattr(xp_of(library), name)
    return found if library == "torch" else import_module("numpy").dtype(name)


def native_device(device: str | None, library: str) -> Any:
    """The library's own device of a name as `devices` draws it; None, the library's default, stays None.

    Raises `ValueError` where the library knows no such device, or has none of that number.

    >>> native_device("cpu", "torch")
    device(type='cpu')
    """
    if device is None:
        return None
    known = _devices(_required(library))
    if str(device) not in known:
        raise ValueError(f"device: got {device!r}; {library} has {', '.join(known)} here")
    if library == "torch":
        return import_module("torch").device(device)
    return "cpu" if library == "numpy" else import_module("cupy").cuda.Device(int(str(device).rpartition(":")[2]))

"""Certificates as files: the dataclasses of a certificate to plain data and back, with every field checked on the way in.

Which fields there are is read off the dataclasses' annotations, so a new one needs no line here. What comes back is well formed (types, lengths,
invariants of the states); whether it is true of a network is for :mod:`equiconv.certification.verification` to find out.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import math
import os
import re
import types
import typing
from collections.abc import Iterable, Mapping
from fractions import Fraction
from pathlib import Path
from typing import Any

from equiconv.certification.certificate import Certificate
from equiconv.certification.digits import faulty
from equiconv.certification.states import Digit, Factor, Frequency, Still, Sum, Uniform, Window, canonical

FORMAT = 3
#: The largest file that is read. Certificates of the largest image networks take some megabytes.
MOST_BYTES = 256 * 2**20
_LARGEST = 2**62
_DEEPEST = 16
_FRACTION = re.compile(r"-?\d{1,18}(/\d{1,18})?")
#: The factors of a dim by the key that names them in a file; it holds the size, or the parts of a concatenation.
_FACTORS: dict[str, type[Any]] = {
    "still": Still,
    "uniform": Uniform,
    "window": Window,
    "digit": Digit,
    "frequencies": Frequency,
    "sum": Sum,
}
_HINTS: dict[type[Any], dict[str, Any]] = {}
_KINDS = ("invariant", "equivariant", "none", "undecided")
_CHOICES = {
    "kind": _KINDS,
    "potential_kind": _KINDS,
    "padding": ("as-is", "circular"),
    "weights": ("these", "generic"),
}


# Out --------------------------------------------------------------------------------------------------------------------


def to_data(certificate: Certificate) -> dict[str, Any]:
    """The certificate as plain data, with its format, its verdict on exactness and the digest of all of it."""
    data = {"format": FORMAT, **_out(certificate), "exact": certificate.exact}
    return {**data, "digest": digest_of(data)}


def digest_of(data: Mapping[str, Any]) -> str:
    """SHA-256 of a certificate's data, its own digest left out: the same for any layout of the file and any order of its keys."""
    content = {key: value for key, value in data.items() if key != "digest"}
    return hashlib.sha256(
        json.dumps(content, sort_keys=True, separators=(",", ":"), allow_nan=False).encode()
    ).hexdigest()


def _out(value: Any) -> Any:
    if isinstance(value, (Still, Uniform, Window, Digit, Frequency, Sum)):
        return _factor_out(value)
    if dataclasses.is_dataclass(value):
        return {f.name: _out(getattr(value, f.name)) for f in dataclasses.fields(value)}
    if isinstance(value, tuple):
        return [_out(v) for v in value]
    if isinstance(value, Fraction):
        return str(value)
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)  # JSON has no infinity
    return value


def _factor_out(factor: Factor) -> dict[str, Any]:
    tag = next(name for name, kind in _FACTORS.items() if kind is type(factor))
    first, *rest = dataclasses.fields(factor)
    data = {tag: _out(getattr(factor, first.name))}
    return data | {f.name: _out(getattr(factor, f.name)) for f in rest if getattr(factor, f.name) != f.default}


# In ---------------------------------------------------------------------------------------------------------------------


def read(path: str | os.PathLike[str]) -> tuple[Certificate, bool]:
    """A saved certificate, and whether its digest is that of its content; ValueError names the field that is not as it should be."""
    target = Path(path)
    if not target.is_file():
        raise FileNotFoundError(
            f"path: {path} is no file; pass one written by Certificate.save or equiconv certify --json"
        )
    try:
        size = target.stat().st_size
        if size > MOST_BYTES:
            raise ValueError(f"it has {size:,} bytes, and at most {MOST_BYTES:,} are read")
        data = json.loads(
            target.read_text(encoding="utf-8"), object_pairs_hook=_once, parse_constant=_no_constant, parse_int=_whole
        )
        return from_data(data), data["digest"] == digest_of(data)
    except RecursionError as error:
        raise ValueError(f"path: {path} is no certificate: its values are nested too deeply") from error
    except ValueError as error:
        text = f"it is not JSON ({error})" if isinstance(error, (json.JSONDecodeError, UnicodeDecodeError)) else error
        raise ValueError(f"path: {path} is no certificate: {text}; pass a file written by Certificate.save") from error


def from_data(data: Any) -> Certificate:
    """The certificate that :func:`to_data` made the data from. Raises ValueError with the field that is missing, of another type or impossible."""
    if not isinstance(data, Mapping):
        raise ValueError(f"it holds a {_kind(data)}, not an object")
    found = data.get("format")
    if isinstance(found, int) and not isinstance(found, bool) and 0 < found < FORMAT:
        raise ValueError(
            f"format: it is of format {found}, without the hashes that tie it to a network, and format {FORMAT} is read: certify the network anew"
        )
    if found != FORMAT or isinstance(found, bool):
        raise ValueError(f"format: {found!r} came, and format {FORMAT} is read")
    known = {f.name for f in dataclasses.fields(Certificate)} | {"format", "exact", "digest"}
    _require_keys(data, known, known, "")
    _decode(str, data["digest"], "digest")
    certificate: Certificate = _decode_fields(
        Certificate, {k: v for k, v in data.items() if k not in ("format", "exact", "digest")}, ""
    )
    _require_sound(certificate)
    if _decode(bool, data["exact"], "exact") != certificate.exact:
        raise ValueError(f"exact: the file says {data['exact']}, and its refutations say {certificate.exact}")
    return certificate


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    data = dict(pairs)
    if len(data) != len(pairs):
        names = [key for key, _ in pairs]
        twice = next(key for key in names if names.count(key) > 1)
        raise ValueError(f"{twice}: stands twice in one object")
    return data


def _no_constant(text: str) -> Any:
    raise ValueError(f"it holds {text}, which is no JSON")


def _whole(text: str) -> int:
    if len(text) > 20:
        raise ValueError(f"it holds a whole number of {len(text)} digits")
    return int(text)


def _kind(value: Any) -> str:
    names = {dict: "object", list: "list", str: "text", bool: "truth value", int: "whole number", float: "number"}
    return "null" if value is None else names.get(type(value), type(value).__name__)


def _wrong(value: Any, wanted: str, where: str) -> ValueError:
    shown = f" {value!r}" if isinstance(value, (str, int, float)) and len(repr(value)) < 60 else ""
    return ValueError(f"{where}: a {_kind(value)}{shown} came, {wanted} is expected")


def _require_keys(data: Mapping[str, Any], needed: Iterable[str], known: Iterable[str], where: str) -> None:
    prefix = f"{where}." if where else ""
    if missing := sorted(set(needed) - set(data)):
        raise ValueError(f"{prefix}{missing[0]}: is missing")
    if extra := sorted(set(data) - set(known)):
        raise ValueError(f"{prefix}{extra[0]}: is no field of a certificate")


def _hints(kind: type[Any]) -> dict[str, Any]:
    if kind not in _HINTS:
        _HINTS[kind] = typing.get_type_hints(kind)
    return _HINTS[kind]


def _decode_fields(kind: type[Any], data: Mapping[str, Any], where: str) -> Any:
    fields = {f.name for f in dataclasses.fields(kind)}
    _require_keys(data, fields, fields, where)
    prefix = f"{where}." if where else ""
    return kind(**{name: _decode(_hints(kind)[name], value, f"{prefix}{name}") for name, value in data.items()})


def _decode(kind: Any, value: Any, where: str, depth: int = 0) -> Any:
    """A value of the annotated type, or ValueError: nothing is converted but what JSON has no type for."""
    if kind == Factor:
        return _decode_factor(value, where, depth)
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin in (types.UnionType, typing.Union):
        (other,) = [a for a in arguments if a is not type(None)]
        return None if value is None else _decode(other, value, where, depth)
    if origin is tuple:
        if not isinstance(value, list):
            raise _wrong(value, "a list", where)
        if arguments[-1] is Ellipsis:
            return tuple(_decode(arguments[0], v, f"{where}[{i}]", depth) for i, v in enumerate(value))
        if len(value) != len(arguments):
            raise ValueError(f"{where}: has {len(value)} entries, {len(arguments)} are expected")
        return tuple(
            _decode(a, v, f"{where}[{i}]", depth) for i, (a, v) in enumerate(zip(arguments, value, strict=True))
        )
    if dataclasses.is_dataclass(kind) and isinstance(kind, type):
        if not isinstance(value, Mapping):
            raise _wrong(value, "an object", where)
        return _decode_fields(kind, value, where)
    return _decode_plain(kind, value, where)


def _decode_plain(kind: Any, value: Any, where: str) -> Any:
    if kind is Fraction:
        text = value if isinstance(value, str) else ""
        if not _FRACTION.fullmatch(text) or text.endswith("/0") or not int(text.partition("/")[2] or 1):
            raise _wrong(value, 'a fraction such as "2" or "1/3"', where)
        return Fraction(text)
    if kind is bool:
        if not isinstance(value, bool):
            raise _wrong(value, "true or false", where)
    elif kind is int:
        if not isinstance(value, int) or isinstance(value, bool) or abs(value) > _LARGEST:
            raise _wrong(value, "a whole number", where)
    elif kind is float:
        if value in ("inf", "-inf", "nan"):
            return float(value)
        if not isinstance(value, (int, float)) or isinstance(value, bool):
            raise _wrong(value, "a number", where)
        return float(value)
    elif kind is str:
        if not isinstance(value, str):
            raise _wrong(value, "a text", where)
    else:
        raise TypeError(f"{where}: a field of the type {kind} cannot be read from a file")
    return value


def _decode_factor(value: Any, where: str, depth: int) -> Any:
    if not isinstance(value, Mapping):
        raise _wrong(value, "an object", where)
    if depth > _DEEPEST:
        raise ValueError(f"{where}: concatenations are nested more than {_DEEPEST} deep")
    tags = [tag for tag in _FACTORS if tag in value]
    if len(tags) != 1:
        raise ValueError(f"{where}: must have one of the fields {', '.join(_FACTORS)}")
    kind = _FACTORS[tags[0]]
    first, *rest = dataclasses.fields(kind)
    needed = [tags[0], *(f.name for f in rest if f.default is dataclasses.MISSING)]
    _require_keys(value, needed, [tags[0], *(f.name for f in rest)], where)
    given = {(first.name if key == tags[0] else key): v for key, v in value.items()}
    factor = kind(**{k: _decode(_hints(kind)[k], v, f"{where}.{k}", depth + 1) for k, v in given.items()})
    if factor.size < 0:
        raise ValueError(f"{where}: has the size {factor.size}")
    return factor


def _require_sound(certificate: Certificate) -> None:
    """What the types do not say: choices, lengths, and the invariants that the states assert."""
    for name, accepted in _CHOICES.items():
        if getattr(certificate, name) not in accepted:
            raise ValueError(f"{name}: {getattr(certificate, name)!r} came, one of {', '.join(accepted)} is expected")
    shape = certificate.shape
    if not shape or min(shape) < 1:
        raise ValueError(f"shape: {list(shape)} came; a group has axes of at least one entry")
    if len(certificate.axes) != len(shape):
        raise ValueError(f"axes: has {len(certificate.axes)} entries, the group has {len(shape)} axes")
    _require_strides(certificate.strides, shape, "strides")
    _require_strides(certificate.potential, shape, "potential")
    if len(certificate.input_dtypes) != len(certificate.input_shapes):
        raise ValueError("input_dtypes: must have an entry for each of input_shapes")
    if certificate.fingerprint is None:
        raise ValueError("fingerprint: is null, and without its hashes the certificate is of no network")
    for i, obstacle in enumerate(certificate.obstacles):
        _require_strides(obstacle.before, shape, f"obstacles[{i}].before")
        _require_strides(obstacle.after, shape, f"obstacles[{i}].after")
    for i, output in enumerate(certificate.outputs):
        _require_strides(output.strides, shape, f"outputs[{i}].strides")
    for i, refutation in enumerate(certificate.refutations or ()):
        if len(refutation.shift) != len(shape):
            raise ValueError(
                f"refutations[{i}].shift: has {len(refutation.shift)} entries, the group has {len(shape)} axes"
            )
    for i, claim in enumerate(certificate.claims):
        _require_strides(claim.state.strides, shape, f"claims[{i}].state.strides")
        for d, dim in enumerate(claim.state.dims):
            try:
                canonical(dim, claim.state.strides, shape)
            except (AssertionError, IndexError, ZeroDivisionError) as error:
                raise ValueError(f"claims[{i}].state.dims[{d}]: {error or 'is no action of the group'}") from error
        if digits := faulty(claim.state.dims):
            raise ValueError(f"claims[{i}].state.dims: {digits[0]} lacks a digit below it, or has two")
    if (measured := certificate.measured) is not None:
        _require_strides(measured.strides, shape, "measured.strides")
        if any(len(g) != len(shape) for g in measured.generators):
            raise ValueError(f"measured.generators: the group has {len(shape)} axes")


def _require_strides(strides: tuple[int, ...], shape: tuple[int, ...], where: str) -> None:
    if len(strides) != len(shape) or not all(s > 0 and n % s == 0 for s, n in zip(strides, shape, strict=True)):
        raise ValueError(f"{where}: {list(strides)} came; a divisor of each of the sizes {list(shape)} is expected")

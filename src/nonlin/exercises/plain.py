"""What an answer gives, as plain data: nothing in it runs code of the learner's, and all of it can be written as text.

Plain are tensors in the processor's memory, numbers, texts, Booleans, None, and tuples and lists of these. Whatever
else an answer may give becomes a `Stranger`, of which only the kind, the words and the value as a number are kept; a
tensor that is too large, sparse, complex or elsewhere becomes one on the device "meta", with shape and dtype alone.
"""

import base64
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

MOST = 2**18  # numbers and letters in one answer; the right ones have some thousands
DEEPEST = 4  # tuples in tuples
LONGEST_INTEGER = 1024  # bits; a float holds no more
LONGEST_TEXT = 64 * MOST  # of what is decoded
DTYPES = {
    str(dtype).removeprefix("torch."): dtype
    for dtype in (
        *(torch.bool, torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64),
        *(torch.float16, torch.bfloat16, torch.float32, torch.float64, torch.complex64, torch.complex128),
    )
}


@dataclass(frozen=True)
class Stranger:
    """What is left of an object of any other kind.

    Args:
        kind: name of its class.
        number: its value as a number, NaN if it has none.
        words: its text, cut to a line.
    """

    kind: str
    number: float = math.nan
    words: str = ""

    def __float__(self) -> float:
        return self.number

    def __str__(self) -> str:
        return self.words or self.kind


def kind_of(value: Any) -> str:
    """Name of the class that a plain value had before."""
    return value.kind if isinstance(value, Stranger) else type(value).__name__


def plain(results: Mapping[str, Any]) -> dict[str, Any]:
    """What an answer gave, by label, made plain. Code of the learner's classes may run for the last time."""
    reader = _Reader()
    return {label: reader.read(value) for label, value in results.items()}


class _Reader:
    """Reads values of one answer, as long as they are not too many."""

    def __init__(self) -> None:
        self.left = MOST

    def read(self, value: Any, depth: int = 0) -> Any:
        try:
            return self._read(value, depth)
        except Exception:  # an object of the learner's own may raise anything when it is looked at
            return Stranger(type(value).__name__)

    def _read(self, value: Any, depth: int) -> Any:
        if value is None or isinstance(value, bool):
            return value
        if isinstance(value, Tensor):
            return self._tensor(value)
        if isinstance(value, int):
            return int(value) if value.bit_length() <= LONGEST_INTEGER else Stranger(type(value).__name__)
        if isinstance(value, float):
            return float(value)
        if isinstance(value, str):
            return str(value) if self._takes(len(value)) else Stranger(type(value).__name__)
        if isinstance(value, np.ndarray | np.generic):
            numbers = value.dtype.kind in "biufc"
            return self.read(torch.as_tensor(np.array(value)) if numbers else value.tolist(), depth + 1)
        if isinstance(value, tuple | list) and depth < DEEPEST and self._takes(len(value)):
            kind = tuple if isinstance(value, tuple) else list
            return kind(self.read(each, depth + 1) for each in value)
        return Stranger(type(value).__name__, _number(value), _words(value))

    def _takes(self, count: int) -> bool:
        self.left -= count
        return self.left >= 0

    def _tensor(self, value: Tensor) -> Tensor | Stranger:
        with torch._C.DisableTorchFunctionSubclass(), torch.no_grad():
            shape, dtype = tuple(map(int, value.shape)), value.dtype
            simple = value.layout == torch.strided and value.device.type == "cpu" and not value.is_nested
            if simple and str(dtype).removeprefix("torch.") in DTYPES and self._takes(math.prod(shape)):
                return value.detach().as_subclass(Tensor).resolve_conj().resolve_neg().clone()
            return torch.empty(shape, dtype=dtype, device="meta")


def _number(value: Any) -> float:
    try:
        return float(value)
    except Exception:  # whatever it raises, it is no number
        return math.nan


def _words(value: Any) -> str:
    try:
        return str(value)[:100]
    except Exception:  # whatever it raises, it has no words
        return ""


def encode(results: Mapping[str, Any]) -> str:
    """Plain results as JSON, bit by bit.

    Floats are written by ``float.hex``, tensors as dtype, shape and bytes in base64. `decode` reads it again.
    """
    return json.dumps({label: _encoded(value) for label, value in results.items()}, ensure_ascii=False)


def _encoded(value: Any) -> Any:
    match value:
        case None | bool() | int() | str():
            return value
        case float():
            return {"float": value.hex()}
        case tuple() | list():
            return {type(value).__name__: [_encoded(each) for each in value]}
        case Tensor():
            values = None if value.is_meta else base64.b64encode(_bytes(value)).decode()
            return {"tensor": [str(value.dtype).removeprefix("torch."), list(value.shape), values]}
        case Stranger():
            return {"stranger": [value.kind, value.number.hex(), value.words]}
    raise TypeError(f"{type(value).__name__} is not plain.")


def _bytes(value: Tensor) -> bytes:
    return value.contiguous().flatten().view(torch.uint8).numpy().tobytes()


def decode(text: str) -> dict[str, Any]:
    """Results from the text that `encode` made of them. Whatever the text is, nothing of it runs.

    Raises:
        ValueError: if it is no such text, or is longer than any that `plain` allows.
    """
    if len(text) > LONGEST_TEXT:
        raise ValueError("these results are too long.")
    try:
        return {label: _decoded(value) for label, value in json.loads(text).items()}
    except (ValueError, TypeError, AttributeError, RuntimeError, OverflowError, RecursionError) as error:
        raise ValueError("these are no results of an answer.") from error


def _decoded(value: Any) -> Any:
    match value:
        case None | bool() | int() | str():
            return value
        case {"float": str(text)}:
            return float.fromhex(text)
        case {"tuple": list(values)}:
            return tuple(map(_decoded, values))
        case {"list": list(values)}:
            return list(map(_decoded, values))
        case {"tensor": [str(dtype), list(shape), None]}:
            return torch.empty(shape, dtype=getattr(torch, dtype), device="meta")
        case {"tensor": [str(dtype), list(shape), str(values)]}:
            return _from_bytes(base64.b64decode(values, validate=True), DTYPES.get(dtype), shape)
        case {"stranger": [str(kind), str(number), str(words)]}:
            return Stranger(kind, float.fromhex(number), words)
    raise ValueError("this is no plain value.")


def _from_bytes(values: bytes, dtype: torch.dtype | None, shape: list[int]) -> Tensor:
    if dtype is None:
        raise ValueError("such a tensor has no values.")
    flat = torch.frombuffer(bytearray(values), dtype=dtype) if values else torch.empty(0, dtype=dtype)
    return flat.reshape(shape)

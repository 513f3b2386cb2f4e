"""What a hand-out must hold and nobody should read by chance: compressed and scrambled, and written as letters.

This hides from the curious. It does not hide from the determined: whoever reads this file can undo it.
"""

import base64
import hashlib
import json
import zlib
from datetime import date
from itertools import count
from typing import Any


def seal(content: Any) -> str:
    """JSON as letters that tell nothing, the same for the same content."""
    packed = zlib.compress(json.dumps(content, ensure_ascii=False, sort_keys=True).encode(), 9)
    return base64.b85encode(_scrambled(packed)).decode()


def unseal(text: str) -> Any:
    """What was sealed.

    Raises:
        ValueError: if it is damaged.
    """
    try:
        return json.loads(zlib.decompress(_scrambled(base64.b85decode(text))))
    except (ValueError, zlib.error) as error:
        raise ValueError("this part of the hand-out is damaged: get the hand-out again.") from error


def unsealed_hints(text: str) -> tuple[str, ...]:
    """The hints of an exercise."""
    return tuple(unseal(text))


def _scrambled(content: bytes) -> bytes:
    """Applied twice, it changes nothing."""
    stream = bytearray()
    for block in count():
        if len(stream) >= len(content):
            break
        stream += hashlib.sha256(f"nonlin {block}".encode()).digest()
    return bytes(a ^ b for a, b in zip(content, stream, strict=False))


def solution_in(sealed: str, today: date | None = None) -> str:
    """Source code of a sealed solution, or a comment that says why it cannot be seen.

    Args:
        sealed: of an exercise.
        today: by this machine's clock if left out, which its owner may set as he likes.
    """
    content = unseal(sealed)
    if "solution" not in content:
        return "# This hand-out holds no solutions: ask whoever gave it to you."
    if (today or date.today()) < date.fromisoformat(content["after"]):
        return f"# The solution is shown here from {content['after']} on."
    return content["solution"]

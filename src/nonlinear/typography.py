"""Signs in texts that people read."""

import re

_SIGN = re.compile(r"(?<![\w.)])-(?=\d|inf\b|∞)")


def true_minus(text: str) -> str:
    """Hyphens that are the signs of numbers become minus signs: "-1" reads "−1"; "x-1", "2-bit", "1e-5" stay."""
    return _SIGN.sub("−", text)

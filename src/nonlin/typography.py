"""Texts that people read: their signs, and how JupyterLab shows them."""

import re
from dataclasses import dataclass

_SIGN = re.compile(r"(?<![\w.)])-(?=\d|inf\b|∞)")


def true_minus(text: str) -> str:
    """Hyphens that are the signs of numbers become minus signs: "-1" reads "−1"; "x-1", "2-bit", "1e-5" stay."""
    return _SIGN.sub("−", text)


@dataclass(frozen=True)
class Markdown:
    """Text that JupyterLab shows as Markdown and everything else as it is."""

    text: str

    def _repr_markdown_(self) -> str:
        return self.text

    def __repr__(self) -> str:
        return self.text

"""Texts that people read: their signs, and how JupyterLab shows them."""

import re
from dataclasses import dataclass

_SIGN = re.compile(r"(?<![\w.)])-(?=\d|inf\b|∞)")
LONGEST_ALT = 250  # signs: a screen reader reads an alt text in one go
_STEERING = re.compile("[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")


def true_minus(text: str) -> str:
    """Hyphens that are the signs of numbers become minus signs: "-1" reads "−1"; "x-1", "2-bit", "1e-5" stay."""
    return _SIGN.sub("−", text)


def number(value: float, digits: int) -> str:
    """A number with so many digits; ∞ where it is infinite."""
    return f"{value:.{digits}g}".replace("inf", "∞")


def shown(text: str) -> str:
    r"""A name or a sentence as a terminal may get it, on one line: what would steer it, or is no text, as ``\x1b``.

    Escaped are control characters, line breaks among them, signs that turn the direction of writing, and the bytes of
    a file's name that are not UTF-8. Everything else stays, so that applying it twice changes nothing.
    """
    return _STEERING.sub(_escape, text)


def _escape(sign: re.Match[str]) -> str:
    code = ord(sign[0])
    is_byte = 0xDC80 <= code <= 0xDCFF  # how Python keeps one that it cannot decode
    return f"\\x{code & 0xFF:02x}" if is_byte or code < 0x80 else f"\\u{code:04x}"


def alt_text(words: str) -> str:
    """A figure's words as an alt text: whole sentences, as far as they go; the rest stands below the figure."""
    words = " ".join(words.split())
    if len(words) <= LONGEST_ALT:
        return words
    end = max(words.rfind(sign, 0, LONGEST_ALT) for sign in (". ", "; ")) + 1
    return f"{words[: end or words.rfind(' ', 0, LONGEST_ALT)]} … All of it in words below."


@dataclass(frozen=True)
class Markdown:
    """Text that JupyterLab shows as Markdown and everything else as it is."""

    text: str

    def _repr_markdown_(self) -> str:
        return self.text

    def __repr__(self) -> str:
        return self.text

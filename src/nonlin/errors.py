"""Errors that the reader can mend, and the words for them."""

from nonlin.typography import shown


class ReaderError(Exception):
    """The message is one sentence that says what is wrong and what to do; the command line shows nothing else."""

    def __init__(self, message: str) -> None:
        super().__init__(shown(message))  # it may quote the name of a stranger's file


class Failure(str):
    """One sentence of several for the reader: it says what could not be done, while the others say what was."""


def reason(error: BaseException) -> str:
    """An error's own words on one line, without number and file name: "No space left on device"."""
    words = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return " ".join(words.split()).rstrip(".")

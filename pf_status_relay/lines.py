"""What came from outside, as a line for a person may hold it."""

from __future__ import annotations

LONGEST = 300
"""Characters; of more than that nobody reads the end."""


def reason(error: Exception) -> str:
    """Return why something failed, of an OSError without its number and path."""
    return (isinstance(error, OSError) and error.strerror) or str(error)


def fitting(text: str, longest: int = LONGEST) -> str:
    """Return a text on one line, cut to so many characters.

    What cannot be seen, or would move a terminal's cursor, is shown by its number.
    """
    shown = text[: longest + 1]
    if not shown.isprintable():
        shown = "".join(char if char.isprintable() else ascii(char)[1:-1] for char in shown)
    return shown if len(shown) <= longest else f"{shown[: longest - 3]}..."

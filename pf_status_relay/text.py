"""Make untrusted text safe to print: one line, bounded, no control characters."""

from __future__ import annotations

LONGEST = 300
"""Maximum length in characters."""


def reason_of(error: Exception) -> str:
    """Return why something failed; for an OSError without its number and path."""
    return (isinstance(error, OSError) and error.strerror) or str(error)


def one_line(text: str, longest: int = LONGEST) -> str:
    """Return a text on one line, cut to `longest` characters.

    A character that is invisible, or would move a terminal's cursor, is shown by its number.
    """
    visible = text[: longest + 1]
    if not visible.isprintable():
        visible = "".join(char if char.isprintable() else ascii(char)[1:-1] for char in visible)
    return visible if len(visible) <= longest else f"{visible[: longest - 3]}..."

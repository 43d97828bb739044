"""The destination of a command's output: a terminal, which has colours and a cursor, or anything else.

The control sequences are those of ECMA-48 and xterm, which every terminal except a `dumb` one knows.
"""

from __future__ import annotations

import io
import os
import re
import signal
import textwrap
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from enum import IntEnum
from typing import Callable, TextIO

_CONTROLS = re.compile(r"[\x00-\x1f\x7f-\x9f]")

_ENTER = "\x1b[?1049h\x1b[?25l\x1b[?7l"  # the alternate screen, no cursor, no wrapping
_LEAVE = "\x1b[?7h\x1b[?25h\x1b[?1049l"
_HOME = "\x1b[H"
_END_OF_LINE = "\x1b[K\r\n"
_BELOW = "\x1b[J"
_ASIDE = "\x1b[0m"

_SUSPEND = {signal.SIGTSTP}  # what ^Z sends


class Colour(IntEnum):
    """The foreground colours in use (ECMA-48, SGR)."""

    RED = 31
    GREEN = 32
    YELLOW = 33


class Terminal:
    """Standard output, which may be a terminal.

    `in_place` is whether the cursor can be moved. NO_COLOR also turns colours off (https://no-color.org), so
    no information may be in a colour alone.
    """

    def __init__(self, stream: TextIO | None, environment: Mapping[str, str]) -> None:
        self._stream = stream or io.StringIO()  # Python has None for a closed stream
        self.in_place = self._stream.isatty() and environment.get("TERM", "dumb") != "dumb"
        self._coloured = self.in_place and not environment.get("NO_COLOR")

    def paint(self, text: str, colour: Colour) -> str:
        """Return the text in a colour, or as it is where there are no colours."""
        return f"\x1b[{colour.value}m{text}{_ASIDE}" if self._coloured and text else text

    def wrap(self, text: str, indent: str = "") -> list[str]:
        """Return a sentence as lines that fit the terminal, or as one line where there is no terminal.

        Lines after the first are indented. Words are not broken at hyphens, so that an option or a UUID can
        be copied.
        """
        text = printable(text)
        if not self._stream.isatty():
            return [indent + text]
        width = max(self._size().columns, 20)
        further = indent or "    "
        lines = textwrap.wrap(
            text, width, initial_indent=indent, subsequent_indent=further, break_on_hyphens=False
        )
        return lines or [""]

    @contextmanager
    def screen(self) -> Iterator[None]:
        """Take the whole screen, and restore its former content at the end, however this ends.

        Where the cursor cannot be moved there is no such screen, and texts follow one another. ^Z takes
        effect only in `wait`: a handler could not write while a text is being written.
        """
        if not self.in_place:
            yield
            return
        before = signal.pthread_sigmask(signal.SIG_BLOCK, _SUSPEND)
        try:
            self._send(_ENTER)
            yield
        finally:
            self._send(_LEAVE)
            signal.pthread_sigmask(signal.SIG_SETMASK, before)

    def wait(self, seconds: float) -> None:
        """Wait the seconds before the next text of a `screen`.

        On ^Z it restores the former screen and suspends the process. When the process continues, it takes the
        screen again, and the next text is due at once.
        """
        if not self.in_place:
            time.sleep(seconds)
        elif signal.sigtimedwait(_SUSPEND, seconds):
            self._send(_LEAVE)
            try:
                signal.raise_signal(signal.SIGTSTP)
                signal.pthread_sigmask(signal.SIG_UNBLOCK, _SUSPEND)  # a pending ^Z suspends here
            finally:
                signal.pthread_sigmask(signal.SIG_BLOCK, _SUSPEND)
                self._send(_ENTER)

    def show(self, text: str) -> None:
        """Show a text in place of the previous one: as much of it as the screen has lines."""
        if not self.in_place:
            self._send(f"{text}\n")
            return
        lines = text.splitlines()[: max(self._size().lines - 1, 1)]
        self._send(_HOME + "".join(line + _END_OF_LINE for line in lines) + _BELOW)

    def _send(self, text: str) -> None:
        self._stream.write(text)
        self._stream.flush()

    def _size(self) -> os.terminal_size:
        try:
            size = os.get_terminal_size(self._stream.fileno())
        except OSError:
            return os.terminal_size((80, 24))
        # A serial console may have no size.
        return os.terminal_size((size.columns or 80, size.lines or 24))


def columns(
    table: Sequence[Sequence[str]], paint: Callable[[int, int, str], str] = lambda row, column, cell: cell
) -> list[str]:
    """Return the rows of a table as lines. The cells of a column are all as wide as its widest.

    `paint` colours a cell, given its row, its column and the cell with its blanks.
    """
    widths = [max(map(len, column)) for column in zip(*table)]
    lines = []
    for row, cells in enumerate(table):
        padded = [*(cell.ljust(width) for cell, width in zip(cells[:-1], widths)), cells[-1]]
        lines.append("  ".join(paint(row, column, cell) for column, cell in enumerate(padded)))
    return lines


def printable(text: str) -> str:
    """Make a text safe for a terminal: replace what would move the cursor. A name can hold anything."""
    return _CONTROLS.sub("?", text)

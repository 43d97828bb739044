"""The output to a terminal, and to anything else."""

from __future__ import annotations

import fcntl
import io
import os
import pty
import signal
import struct
import termios
from collections.abc import Iterator
from typing import TextIO

import pytest

from pf_status_relay.cli.terminal import Colour, Terminal, printable

XTERM = {"TERM": "xterm"}


class Screen:
    """A terminal of 40 columns and 6 lines, and the output to it."""

    def __init__(self) -> None:
        self._master, slave = pty.openpty()
        self.resize(40, 6)
        self.stream: TextIO = os.fdopen(slave, "w")

    def resize(self, columns: int, lines: int) -> None:
        """Give the terminal this size."""
        fcntl.ioctl(self._master, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))

    def sent(self) -> str:
        """Return the output since the last call, without the line discipline's carriage returns."""
        self.stream.write("END")
        self.stream.flush()
        came = ""
        while not came.endswith("END"):
            came += os.read(self._master, 1 << 16).decode()
        return came[:-3].replace("\r\r\n", "\r\n")

    def close(self) -> None:
        """Close both ends."""
        self.stream.close()
        os.close(self._master)


@pytest.fixture
def screen() -> Iterator[Screen]:
    made = Screen()
    yield made
    made.close()


def test_colours_are_for_a_terminal(screen: Screen) -> None:
    assert Terminal(screen.stream, XTERM).paint("up", Colour.GREEN) == "\x1b[32mup\x1b[0m"
    assert Terminal(io.StringIO(), XTERM).paint("up", Colour.GREEN) == "up"


@pytest.mark.parametrize(
    ("environment", "coloured"),
    [
        ({"TERM": "xterm", "NO_COLOR": "1"}, False),
        ({"TERM": "xterm", "NO_COLOR": ""}, True),
        ({"TERM": "dumb"}, False),
        ({}, False),
    ],
)
def test_colours_can_be_refused(screen: Screen, environment: dict[str, str], coloured: bool) -> None:
    assert ("\x1b" in Terminal(screen.stream, environment).paint("up", Colour.RED)) is coloured


def test_a_screen_is_given_back_however_it_ends(screen: Screen) -> None:
    def fail() -> None:
        with Terminal(screen.stream, XTERM).screen():
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fail()
    assert screen.sent() == "\x1b[?1049h\x1b[?25l\x1b[?7l" + "\x1b[?7h\x1b[?25h\x1b[?1049l"


def test_suspending_is_held_back_on_the_screen_alone(screen: Screen) -> None:
    before = signal.pthread_sigmask(signal.SIG_BLOCK, ())
    with Terminal(screen.stream, XTERM).screen():
        assert signal.pthread_sigmask(signal.SIG_BLOCK, ()) == before | {signal.SIGTSTP}
    assert signal.pthread_sigmask(signal.SIG_BLOCK, ()) == before


def test_a_text_takes_the_place_of_the_one_before_and_no_more_lines_than_there_are(screen: Screen) -> None:
    terminal = Terminal(screen.stream, XTERM)
    terminal.show("a\nb\n")
    assert screen.sent() == "\x1b[Ha\x1b[K\r\nb\x1b[K\r\n\x1b[J"
    terminal.show("".join(f"{number}\n" for number in range(9)))
    assert [line[-4] for line in screen.sent().split("\r\n")[:-1]] == ["0", "1", "2", "3", "4"]
    screen.resize(40, 0)
    terminal.show("a\n")
    assert "a\x1b[K\r\n" in screen.sent(), "a serial console has no size"


@pytest.mark.parametrize("environment", [{"TERM": "dumb"}, {}])
def test_where_nothing_can_be_shown_in_place_texts_follow_one_another(
    screen: Screen, environment: dict[str, str]
) -> None:
    pipe = io.StringIO()
    for terminal in (Terminal(screen.stream, environment), Terminal(pipe, XTERM)):
        with terminal.screen():
            terminal.show("a\n")
            terminal.show("b\n")
    assert pipe.getvalue() == "a\n\nb\n\n"
    assert screen.sent() == "a\r\n\r\nb\r\n\r\n"


def test_sentences_are_wrapped_for_a_terminal_alone(screen: Screen) -> None:
    sentence = "ens5f0: " + "no carrier " * 5
    assert Terminal(io.StringIO(), XTERM).wrap(sentence, indent="  ") == [f"  {sentence}"]
    lines = Terminal(screen.stream, XTERM).wrap(sentence)
    assert len(lines) == 2
    assert max(map(len, lines)) <= 40
    assert lines[1].startswith("    no carrier")


def test_a_word_with_hyphens_is_not_broken(screen: Screen) -> None:
    words = "nmcli connection up 0f8b2c1a-0000-4000-8000-0000000000b0"
    assert Terminal(screen.stream, XTERM).wrap(words) == [words[:19], f"    {words[20:]}"]


def test_no_text_moves_the_cursor() -> None:
    assert printable("ens\x1b[2J5\x9bf0\n") == "ens?[2J5?f0?"
    assert printable("ens5f0 \u00fc") == "ens5f0 \u00fc"

"""Commands and kernel files, with errors that say what was tried."""

from __future__ import annotations

import subprocess
from pathlib import Path


class CommandError(AssertionError):
    """A command of the lab that failed; the message holds the command and what it printed."""


def run(*command: str, given: str | None = None) -> str:
    """Run a command, `given` on its standard input, and return what it printed on standard output."""
    done = subprocess.run(command, input=given, capture_output=True, text=True, check=False)
    if done.returncode:
        raise CommandError(
            f"{' '.join(command)}: status {done.returncode}\n{given or ''}{done.stdout}{done.stderr}"
        )
    return done.stdout


def ip(*lines: str, netns: str | None = None) -> str:
    """Run lines of ip commands in order, in one process: starting one costs more than what it does."""
    return batch("ip", lines, netns)


def tc(*lines: str, netns: str | None = None) -> str:
    """Run lines of tc commands in order, in one process."""
    return batch("tc", lines, netns)


def batch(tool: str, lines: tuple[str, ...], netns: str | None) -> str:
    """Run the lines of one iproute2 tool, in a named network namespace or this one."""
    return run(
        tool, *(("-n", netns) if netns else ()), "-batch", "-", given="".join(f"{line}\n" for line in lines)
    )


def write(path: str, text: str) -> None:
    """Write to a file of sysfs, debugfs or procfs, in one write."""
    try:
        with Path(path).open("w") as file:
            file.write(text)
    except OSError as error:
        raise CommandError(f"echo {text} > {path}: {error.strerror}") from error

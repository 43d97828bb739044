"""Standard input, output and error that are closed, full, or without a reader."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from pf_status_relay.config import load

ROOT = Path(__file__).parents[3]
RELAY = f"exec {sys.executable} -m pf_status_relay"
VALID: Mapping[str, str] = {load.INTERFACES_VARIABLE: "lo"}
PRINTING: Sequence[str] = ("config import --from-env", "machineconfig --from-env", "--help", "--version")
FAULTS: Sequence[tuple[str, int]] = (
    ("run --config /dev/null/missing", 78),
    ("machineconfig --config /dev/null/missing", 65),
    ("config import", 2),
)


def sh(
    line: str, environment: Mapping[str, str] = VALID, stdout: int = subprocess.PIPE
) -> subprocess.CompletedProcess[str]:
    """Run the program from a shell, with redirections."""
    return subprocess.run(
        ["sh", "-c", f"{RELAY} {line}"],
        cwd=ROOT,
        env={**os.environ, **environment},
        stdin=subprocess.DEVNULL,
        stdout=stdout,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )


def told(reason: str) -> str:
    return f"pf-status-relay: standard output cannot be written: {reason}\n"


@pytest.mark.parametrize("command", PRINTING)
@pytest.mark.parametrize(
    ("output", "reason"), [(">&-", "Bad file descriptor"), (">/dev/full", "No space left on device")]
)
def test_what_cannot_be_printed_is_one_line_and_status_74(command: str, output: str, reason: str) -> None:
    done = sh(f"{command} {output}")
    assert (done.returncode, done.stderr) == (74, told(reason))


@pytest.mark.parametrize("command", PRINTING)
def test_a_reader_that_has_gone_is_no_word_and_status_141(command: str) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    try:
        done = sh(command, stdout=writer)
    finally:
        os.close(writer)
    assert (done.returncode, done.stderr) == (141, "")


@pytest.mark.parametrize(("command", "status"), FAULTS)
@pytest.mark.parametrize("output", ["2>&-", "2>/dev/full", "<&- 2>&-", "2>&1 >/dev/full"])
def test_a_fault_that_nobody_can_be_told_has_its_status_and_is_not_printed_instead(
    command: str, status: int, output: str
) -> None:
    done = sh(f"{command} {output}")
    assert done.returncode == status
    assert "Traceback" not in done.stdout
    if "2>&1" not in output:
        assert (done.stdout, done.stderr) == ("", "")


@pytest.mark.parametrize(("command", "status"), [(PRINTING[0], 74), FAULTS[0]])
def test_without_any_stream_the_status_tells(command: str, status: int) -> None:
    assert sh(f"{command} <&- >&- 2>&-").returncode == status


def test_standard_input_that_is_closed_is_a_fault_in_one_line() -> None:
    done = sh("machineconfig --from-pflacpmonitor - <&-")
    assert (done.returncode, done.stdout) == (65, "")
    assert done.stderr == "pf-status-relay: standard input: cannot be read: Bad file descriptor\n"


@pytest.mark.parametrize("output", ["<&- >&- 2>&-", ">/dev/full 2>/dev/full", ">&-", "<&-"])
def test_it_relays_and_ends_well_whatever_its_streams_are(tmp_path: Path, output: str) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(str(tmp_path / "notify"))
        relay = subprocess.Popen(
            ["sh", "-c", f"{RELAY} run --dry-run {output}"],
            cwd=ROOT,
            env={**os.environ, **VALID, "NOTIFY_SOCKET": str(tmp_path / "notify")},
            stdout=subprocess.DEVNULL,
        )
        while b"READY=1" not in systemd.recv(1024):
            assert relay.poll() is None
        opened = [os.readlink(f"/proc/{relay.pid}/fd/{number}") for number in range(3)]
        relay.send_signal(signal.SIGTERM)
        assert relay.wait() == 0
    assert not any("socket:" in path for path in opened), opened

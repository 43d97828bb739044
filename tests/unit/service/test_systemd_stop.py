"""Whether a stop is final, by systemd's jobs."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from pf_status_relay.service import systemd

UNDER_SYSTEMD = {"INVOCATION_ID": "0123456789abcdef0123456789abcdef"}
STOP = "101 pf-status-relay.service stop running"
RESTART = "102 pf-status-relay.service restart running"
OTHER = "103 other.service stop running"


@pytest.fixture
def jobs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the file that holds the output of `systemctl list-jobs`."""
    cgroup = tmp_path / "cgroup"
    cgroup.write_text("0::/system.slice/pf-status-relay.service\n")
    monkeypatch.setattr(systemd, "_CGROUP", cgroup)
    systemctl = tmp_path / "systemctl"
    systemctl.write_text(f'#!/bin/sh\n[ "$1" = list-jobs ] && cat {tmp_path}/jobs\n')
    systemctl.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    return tmp_path / "jobs"


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        pytest.param([STOP], "", id="stopped"),
        pytest.param([OTHER, STOP], "", id="stopped beside another"),
        pytest.param([RESTART], "the service is restarted", id="restarted"),
        pytest.param([], "the service is restarted", id="killed by somebody: systemd starts it again"),
        pytest.param([OTHER], "the service is restarted", id="another is stopped"),
        pytest.param(
            [STOP, "7 shutdown.target start waiting"], "the host is shutting down", id="the host shuts down"
        ),
    ],
)
def test_a_stop_is_for_good_if_the_unit_has_a_job_that_says_so(
    jobs: Path, said: list[str], reason: str
) -> None:
    jobs.write_text("".join(f"{line}\n" for line in said))
    assert systemd.restart_reason(UNDER_SYSTEMD) == reason


def test_without_systemd_whoever_sends_the_signal_means_it() -> None:
    assert systemd.restart_reason({}) == ""


def test_a_systemd_that_does_not_answer_is_no_licence(jobs: Path) -> None:
    assert "systemd cannot be asked" in systemd.restart_reason(UNDER_SYSTEMD)


def test_a_missing_systemctl_is_no_licence(jobs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    assert "systemd cannot be asked" in systemd.restart_reason(UNDER_SYSTEMD)


def test_a_systemctl_that_hangs_is_no_licence(jobs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def hang(*arguments: object, **words: object) -> None:
        raise subprocess.TimeoutExpired("systemctl", 2)

    monkeypatch.setattr(subprocess, "run", hang)
    assert "timed out" in systemd.restart_reason(UNDER_SYSTEMD)

"""The lock by which a second relay notices the first."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from pf_status_relay.core import events
from pf_status_relay.core.events import Event
from pf_status_relay.service import lock
from pf_status_relay.service.lock import Lock
from pf_status_relay.service.systemd import Notifier

# sdnotify leaves its socket to the garbage collector.
pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning")

HOLD = """
import os, sys
from pf_status_relay.service.lock import Lock
assert Lock(os.environ).take() is None
print("taken", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    return {"RUNTIME_DIRECTORY": str(tmp_path / "runtime")}


@contextmanager
def another_relay(environment: dict[str, str]) -> Iterator[int]:
    """Run a process that holds the lock; yield its PID."""
    with subprocess.Popen(
        [sys.executable, "-c", HOLD],
        env={**os.environ, **environment},
        cwd=Path(__file__).parents[3],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "taken\n"
        try:
            yield process.pid
        finally:
            process.kill()


def test_the_second_learns_who_the_first_is_and_is_next_when_that_was_killed(
    environment: dict[str, str],
) -> None:
    with another_relay(environment) as process:
        assert Lock(environment).take() == process
        assert Lock(environment).take() == process, "to have asked changes nothing"
    assert Lock(environment).take() is None


def test_who_has_it_has_it_still_when_it_takes_it_again(environment: dict[str, str]) -> None:
    taken = Lock(environment)
    assert taken.take() is None
    assert taken.take() is None


def test_who_has_it_has_it_anew_when_the_folder_was_removed(environment: dict[str, str]) -> None:
    folder = Path(environment["RUNTIME_DIRECTORY"])
    taken = Lock(environment)
    assert taken.take() is None
    descriptors = len(os.listdir("/proc/self/fd"))
    for _ in range(3):
        shutil.rmtree(folder)
        assert taken.take() is None
        assert Lock(environment).take() == os.getpid()
    assert len(os.listdir("/proc/self/fd")) == descriptors


def test_who_was_slower_when_the_folder_was_removed_is_the_second(environment: dict[str, str]) -> None:
    taken = Lock(environment)
    assert taken.take() is None
    shutil.rmtree(environment["RUNTIME_DIRECTORY"])
    with another_relay(environment) as process:
        assert taken.take() == process
    assert taken.take() is None
    assert Lock(environment).take() == os.getpid()


def test_relays_in_different_network_namespaces_have_different_locks(
    environment: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.touch()
    with another_relay(environment):
        monkeypatch.setattr(lock, "_NETWORK", str(elsewhere))
        assert Lock(environment).take() is None


def test_others_can_read_the_folder_and_not_open_the_lock(environment: dict[str, str]) -> None:
    assert Lock(environment).take() is None
    folder = Path(environment["RUNTIME_DIRECTORY"])
    assert folder.stat().st_mode & 0o777 == 0o755
    (file,) = folder.iterdir()
    assert file.stat().st_mode & 0o777 == 0o600, "who can open it can keep the service waiting"


def test_a_program_that_is_started_does_not_inherit_it(environment: dict[str, str]) -> None:
    taken = Lock(environment)
    assert taken.take() is None
    assert taken._descriptor is not None
    assert not os.get_inheritable(taken._descriptor)


def test_a_holder_that_does_not_say_who_it_is_is_one_all_the_same(environment: dict[str, str]) -> None:
    with another_relay(environment):
        (file,) = Path(environment["RUNTIME_DIRECTORY"]).iterdir()
        file.write_bytes(b"\xff\n")
        assert Lock(environment).take() == 0


def test_where_no_lock_can_be_had_the_relay_goes_without(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.touch()
    assert Lock({"RUNTIME_DIRECTORY": str(file / "below")}).take() is None


def test_a_symbolic_link_in_its_place_is_not_followed(environment: dict[str, str], tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_text("precious")
    folder = Path(environment["RUNTIME_DIRECTORY"])
    folder.mkdir()
    (folder / f"lock-{os.stat('/proc/self/ns/net').st_ino}").symlink_to(victim)
    assert Lock(environment).take() is None
    assert victim.read_text() == "precious"


class Held(Lock):
    """A lock that others hold, one after the other."""

    def __init__(self, *holders: int) -> None:
        super().__init__({})
        self.holders = list(holders)

    def take(self) -> int | None:
        """Return the next holder's PID, or None when all have had the lock."""
        return self.holders.pop(0) if self.holders else None


class Systemd(Notifier):
    """A notifier that records its messages."""

    def __init__(self) -> None:
        super().__init__({})
        self.told: list[str] = []

    def ready(self) -> None:
        """Record READY=1."""
        self.told.append("ready")

    def cycle_done(self) -> None:
        """Record a sign of life."""
        self.told.append("alive")

    def status(self, line: str) -> None:
        """Record a status line."""
        self.told.append(line)


def wait(held: Held, stop_after: int = 99) -> tuple[bool, list[str], list[Event]]:
    """Wait for a lock; return whether it was taken, the messages to systemd, and the log."""
    systemd = Systemd()
    logged: list[Event] = []

    def tell(events: Sequence[Event]) -> None:
        logged.extend(events)

    slept: list[float] = []
    had = lock.wait(held, systemd, tell, slept.append, lambda: systemd.told.count("alive") >= stop_after)
    assert slept == [lock.LOOK_S] * systemd.told.count("alive"), "once after each look"
    return had, systemd.told, logged


def waits_for(process: int) -> str:
    return f"waits for another relay to end (process {process}), sets nothing"


def test_a_lock_that_is_free_is_taken_without_a_word() -> None:
    assert wait(Held()) == (True, [], [])


def test_the_service_waits_alive_and_says_so_once() -> None:
    had, told, logged = wait(Held(812, 812, 813))
    assert had
    assert told == [waits_for(812), "ready", "alive", "alive", waits_for(813), "ready", "alive"]
    assert logged == [events.AnotherRelayRuns(812)]


def test_the_service_that_is_stopped_while_it_waits_never_had_the_lock() -> None:
    had, told, _ = wait(Held(*[812] * 50), stop_after=3)
    assert not had
    assert told.count("alive") == 3

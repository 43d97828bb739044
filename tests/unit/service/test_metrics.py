"""Metrics: what is counted, how it is shown, and a file that cannot be written."""

from __future__ import annotations

import errno
import os
import re
import resource
import stat
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from pf_status_relay import __version__
from pf_status_relay.core import events
from pf_status_relay.core.bfd import Peer, Session, Standing
from pf_status_relay.core.events import Event, MetricsWrittenAgain, WritingMetricsFailed
from pf_status_relay.core.facts import Facts, Master, Unreadable, VfLinkState, VirtualFunction
from pf_status_relay.core.refusals import Refusal
from pf_status_relay.core.retries import Outcome
from pf_status_relay.service import metrics
from pf_status_relay.service.metrics import Textfile, open_metrics
from tests.support.exposition import of_interface, samples
from tests.support.facts import DOWN, GONE, UP
from tests.support.relayed import Relayed
from tests.support.tools import PROMTOOL
from tests.support.world import pf

CHECKOUT = Path(__file__).parents[3]
PAGE = CHECKOUT / "docs" / "monitoring.md"
ALERTS = CHECKOUT / "docs" / "alerts.yml"

AUTO, ENABLE, DISABLE = VfLinkState
SESSIONS = (
    Session(Peer("bond5", "192.0.2.2"), 1, Standing.TIMED_OUT, 0.0),
    Session(Peer("bond5", "192.0.2.6"), 2, Standing.UP, 0.0),
)
TWO_PORTS = replace(pf(5, UP, AUTO), master=Master(105, "bond5", "bond", 4, 2))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "pf_status_relay.prom"


@pytest.fixture
def textfile(path: Path) -> Textfile:
    return Textfile(str(path))


@pytest.fixture
def umask() -> Iterator[None]:
    """Set the unit's umask, with which no other user can read a new file, and check that it stays."""
    before = os.umask(0o077)
    yield
    assert os.umask(before) == 0o077, "and it stays"


def written(textfile: Textfile) -> str:
    assert textfile.write(now=0.0) is None
    return Path(textfile._path).read_text()


# What is shown about an interface


def test_an_interface_that_is_up(textfile: Textfile) -> None:
    Relayed(textfile).look(pf(5, UP, AUTO, AUTO, ENABLE))
    assert of_interface(written(textfile), "ens5f0") == {
        "ready": 1,
        "lacp_up": 1,
        "drained": 0,
        "kept_open": 0,
        "vfs_left_disabled": 0,
        "restore_delayed": 0,
        "unreadable": 0,
        "actor_port_state": 63,
        "partner_port_state": 63,
        'vfs{link_state="auto"}': 2,
        'vfs{link_state="enable"}': 1,
        'vfs{link_state="disable"}': 0,
        'lacp_transitions_total{to="up"}': 1,
        'lacp_transitions_total{to="down"}': 0,
        'vf_writes_total{link_state="auto"}': 0,
        'vf_writes_total{link_state="disable"}': 0,
        'vf_writes_refused_total{link_state="auto"}': 0,
        'vf_writes_refused_total{link_state="disable"}': 0,
        'vf_refusals_total{kind="for_now"}': 0,
        'vf_refusals_total{kind="for_good"}': 0,
        'vf_refusals_total{kind="other"}': 0,
        "vf_write_seconds_count": 0,
        "vf_write_seconds_sum": 0,
        "vf_list_seconds_count": 0,
        "vf_list_seconds_sum": 0,
    }


def test_an_outage_is_counted_from_loss_to_recovery(textfile: Textfile) -> None:
    relayed = Relayed(textfile)
    for facts in (pf(5, UP, AUTO, AUTO), pf(5, DOWN, AUTO, AUTO), pf(5, DOWN, DISABLE, DISABLE)):
        relayed.look(facts)
    during = of_interface(written(textfile), "ens5f0")
    assert (during["lacp_up"], during["actor_port_state"], during["partner_port_state"]) == (0, 143, 55)
    assert during['vfs{link_state="disable"}'] == during['vf_writes_total{link_state="disable"}'] == 2
    assert during['lacp_transitions_total{to="down"}'] == 1

    for facts in (pf(5, UP, DISABLE, DISABLE), pf(5, UP, AUTO, AUTO)):
        relayed.look(facts)
    after = of_interface(written(textfile), "ens5f0")
    assert after["lacp_up"] == 1
    assert after['vfs{link_state="disable"}'] == 0
    assert after['vf_writes_total{link_state="auto"}'] == 2
    assert after['lacp_transitions_total{to="up"}'] == 2


def test_a_refused_write_is_counted_at_every_try(textfile: Textfile) -> None:
    relayed = Relayed(textfile)
    relayed.look(pf(5, DOWN, AUTO, AUTO), "Operation not supported")
    relayed.look(pf(5, DOWN, AUTO, DISABLE), "Operation not supported")
    displayed = of_interface(written(textfile), "ens5f0")
    assert displayed['vf_writes_total{link_state="disable"}'] == 3
    assert displayed['vf_writes_refused_total{link_state="disable"}'] == 2


def test_refusals_are_counted_by_kind(textfile: Textfile) -> None:
    vf = VirtualFunction(0, DISABLE)
    refusals = [Refusal(code, "") for code in (errno.EBUSY, errno.EINTR, errno.EPERM, errno.EIO)]
    textfile.wrote("ens5f0", [Outcome(vf), *(Outcome(vf, each) for each in refusals)], None)
    displayed = of_interface(written(textfile), "ens5f0")
    counts = [displayed[f'vf_refusals_total{{kind="{kind}"}}'] for kind in ("for_now", "for_good", "other")]
    assert counts == [2, 1, 1]


def test_bfd_sessions_are_shown_of_a_pf_that_has_had_one(textfile: Textfile) -> None:
    relayed = Relayed(textfile, sessions=SESSIONS)
    Relayed(textfile, "ens5f1").look(pf(6, UP, AUTO))
    shown: list[dict[str, float]] = []
    for sessions in (SESSIONS, ()):
        relayed.sessions = sessions
        relayed.look(pf(5, UP, AUTO))
        found = of_interface(written(textfile), "ens5f0")
        shown.append({key: value for key, value in found.items() if key.startswith("bfd") and value})
        assert sum(key.startswith("bfd_sessions") for key in found) == len(Standing)
    assert shown == [{'bfd_sessions{standing="timed out"}': 1, 'bfd_sessions{standing="up"}': 1}, {}]
    assert not any(key.startswith("bfd") for key in of_interface(written(textfile), "ens5f1"))
    textfile.forget("ens5f0")
    assert of_interface(written(textfile), "ens5f0") == {}


def test_writing_and_listing_are_measured_and_forgotten_with_the_interface(textfile: Textfile) -> None:
    Relayed(textfile).look(pf(5, UP, AUTO))
    for _ in range(2):
        textfile.wrote("ens5f0", [Outcome(VirtualFunction(0, DISABLE))], None, 0.06)
        textfile.listed("ens5f0", 0.8)
    textfile.wrote("ens5f0", [Outcome(VirtualFunction(0, DISABLE))], None)
    displayed = of_interface(written(textfile), "ens5f0")
    assert (displayed["vf_write_seconds_count"], displayed["vf_write_seconds_sum"]) == (2, 0.12)
    assert (displayed["vf_list_seconds_count"], displayed["vf_list_seconds_sum"]) == (2, 1.6)
    textfile.forget("ens5f0")
    assert of_interface(written(textfile), "ens5f0") == {}


@pytest.mark.parametrize("facts", [TWO_PORTS, GONE])
def test_of_a_pf_that_is_not_ready_nothing_is_said_about_lacp(textfile: Textfile, facts: Facts) -> None:
    relayed = Relayed(textfile)
    relayed.look(pf(5, UP, AUTO))
    relayed.look(facts)
    displayed = of_interface(written(textfile), "ens5f0")
    assert displayed["ready"] == 0
    assert not {"lacp_up", "actor_port_state", "partner_port_state"} & set(displayed)
    assert displayed['vfs{link_state="auto"}'] == (0 if facts is GONE else 1)


def test_an_interface_that_cannot_be_read_stays_as_it_was_and_is_marked_and_counted(
    textfile: Textfile,
) -> None:
    relayed = Relayed(textfile)
    relayed.look(pf(5, UP, AUTO))
    before = of_interface(written(textfile), "ens5f0")
    relayed.look(Unreadable("Connection timed out"))
    assert textfile.changed
    text = written(textfile)
    assert of_interface(text, "ens5f0") == {**before, "unreadable": 1}
    assert samples(text)["netlink_errors_total"] == 1
    relayed.look(pf(5, UP, AUTO))
    assert textfile.changed
    assert of_interface(written(textfile), "ens5f0") == before


def test_while_netlink_fails_no_interface_can_be_read(textfile: Textfile) -> None:
    both = Relayed(textfile), Relayed(textfile, "ens5f1")
    for relayed in both:
        relayed.look(pf(5, UP, AUTO))
    textfile.netlink_failed()
    text = written(textfile)
    assert [of_interface(text, name)["unreadable"] for name in ("ens5f0", "ens5f1")] == [1, 1]
    both[0].look(pf(5, UP, AUTO))
    text = written(textfile)
    assert [of_interface(text, name)["unreadable"] for name in ("ens5f0", "ens5f1")] == [0, 1]


def test_an_interface_that_could_never_be_read_is_not_ready(textfile: Textfile) -> None:
    Relayed(textfile).look(Unreadable("Connection timed out"))
    displayed = of_interface(written(textfile), "ens5f0")
    assert (displayed["ready"], displayed["unreadable"]) == (0, 1)


def test_of_an_interface_that_is_forgotten_nothing_is_left(textfile: Textfile) -> None:
    leaving, staying = Relayed(textfile), Relayed(textfile, "ens5f1")
    leaving.look(pf(5, DOWN, AUTO, ENABLE), "Operation not supported")
    leaving.look(pf(5, UP, DISABLE), "Operation not supported")
    leaving.look(Unreadable("Connection timed out"))
    staying.look(pf(5, UP, AUTO))
    before = of_interface(written(textfile), "ens5f1")
    for interface in ("ens5f0", "never looked at"):
        textfile.forget(interface)
    assert textfile.changed
    text = written(textfile)
    assert "ens5f0" not in text
    assert of_interface(text, "ens5f1") == before


def test_a_name_that_is_not_plain_is_written_as_prometheus_reads_it(textfile: Textfile) -> None:
    Relayed(textfile, 'a"b\\c€').look(pf(5))
    assert 'ready{interface="a"b\\c€"}' in samples(written(textfile))


# What is measured


def test_a_reaction_is_measured_when_lacp_goes_down_and_vfs_are_written(textfile: Textfile) -> None:
    relayed = Relayed(textfile)
    relayed.look(pf(5, UP, AUTO))
    relayed.look(pf(5, DOWN, AUTO), seconds=0.003)
    relayed.look(pf(5, DOWN, AUTO), seconds=0.1)  # someone set it back: no reaction to LACP
    relayed.look(pf(5, UP, DISABLE), seconds=0.1)
    displayed = samples(written(textfile))
    assert displayed["reaction_seconds_count"] == 1
    assert displayed["reaction_seconds_sum"] == pytest.approx(0.003)
    assert displayed['reaction_seconds_bucket{le="0.0025"}'] == 0
    assert displayed['reaction_seconds_bucket{le="0.005"}'] == 1
    assert displayed['reaction_seconds_bucket{le="+Inf"}'] == 1


def test_cycles_errors_and_overruns_are_of_the_service(textfile: Textfile) -> None:
    for seconds in (0.25, 0.5):
        textfile.cycle_done(seconds)
    textfile.netlink_failed()
    textfile.happened(events.LinkEventsLost())
    displayed = samples(written(textfile))
    assert {name: value for name, value in displayed.items() if not re.match("reaction|written", name)} == {
        f'build_info{{version="{__version__}"}}': 1,
        "cycle_duration_seconds_count": 2,
        "cycle_duration_seconds_sum": 0.75,
        "netlink_errors_total": 1,
        "link_event_overruns_total": 1,
    }


# When the file is written


def test_the_file_says_when_it_was_written_and_which_it_is(path: Path) -> None:
    time_of_day = [1.5, 16.5].pop
    textfile = Textfile(str(path), time_of_day)
    series = f'written_timestamp_seconds{{file="{path}"}}'
    assert [samples(written(textfile))[series] for _ in range(2)] == [16.5, 1.5]


def test_a_path_that_is_no_text_can_be_written(path: Path) -> None:
    odd = path.with_name(os.fsdecode(b"a\xff.prom"))
    (name,) = (name for name in samples(written(Textfile(str(odd)))) if name.startswith("written"))
    assert name.endswith('a\ufffd.prom"}')


def test_a_change_is_a_reason_to_write_and_another_look_is_none(textfile: Textfile) -> None:
    relayed = Relayed(textfile)
    told = []
    for facts in (
        pf(5, UP, AUTO),
        pf(5, UP, AUTO),
        pf(5, DOWN, ENABLE),
        pf(5, DOWN, ENABLE),
        pf(5, DOWN, ENABLE, AUTO),
    ):
        relayed.look(facts)
        textfile.cycle_done(0.001)
        told.append(textfile.changed)
        textfile.write(now=0.0)
        assert not textfile.changed
    assert told == [True, False, True, False, True]


def test_it_is_due_at_once_and_then_after_15_seconds(textfile: Textfile) -> None:
    assert textfile.due <= 0.0
    textfile.write(now=1000.0)
    assert textfile.due == 1015.0


# The file


@pytest.mark.usefixtures("umask")
def test_everyone_can_read_the_file_and_nothing_is_beside_it(textfile: Textfile, path: Path) -> None:
    for _ in range(2):
        written(textfile)
    assert stat.S_IMODE(path.stat().st_mode) == 0o644
    assert os.listdir(path.parent) == [path.name]


def test_what_a_killed_write_left_is_removed_and_nothing_else(path: Path) -> None:
    others = {"pf_status_relay.prom", "pf_status_relay.prom.bak", "other.prom.17.4242"}
    for name in (*others, "pf_status_relay.prom.17.4242"):
        (path.parent / name).touch()
    Textfile(str(path))
    assert set(os.listdir(path.parent)) == others


@pytest.mark.usefixtures("umask")
def test_a_write_that_fails_is_told_once_and_so_is_the_first_that_works_again(tmp_path: Path) -> None:
    folder = tmp_path / "gone"
    path = folder / "a.prom"
    textfile = Textfile(str(path))
    told = [textfile.write(now=0.0) for _ in range(3)]
    folder.touch()
    told += [textfile.write(now=0.0) for _ in range(3)]
    folder.unlink()
    folder.mkdir()
    told += [textfile.write(now=0.0) for _ in range(3)]
    expected: list[Event | None] = [WritingMetricsFailed(f"{path}: No such file or directory"), None, None]
    expected += [WritingMetricsFailed(f"{path}: Not a directory"), None, None]
    expected += [MetricsWrittenAgain(), None, None]
    assert told == expected


def test_a_write_that_breaks_off_leaves_the_old_file_and_nothing_else(textfile: Textfile, path: Path) -> None:
    before = written(textfile)
    Relayed(textfile).look(pf(5))
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, limits[1]))
    try:
        failed = textfile.write(now=0.0)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert failed == WritingMetricsFailed(f"{path}: File too large")
    assert os.listdir(path.parent) == [path.name]
    assert path.read_text() == before
    assert textfile.write(now=0.0) == MetricsWrittenAgain()
    assert "ens5f0" in path.read_text()


def test_a_folder_in_the_files_place_is_a_failed_write(textfile: Textfile, path: Path) -> None:
    path.mkdir()
    assert textfile.write(now=0.0) == WritingMetricsFailed(f"{path}: Is a directory")
    assert os.listdir(path.parent) == [path.name]


def test_closing_removes_the_file_if_it_is_there(textfile: Textfile, path: Path) -> None:
    written(textfile)
    for _ in range(2):
        textfile.close()
        assert not path.exists()


# Without metrics


def test_metrics_that_are_not_asked_for_are_nothing(tmp_path: Path) -> None:
    nobodys = open_metrics(None)
    Relayed(nobodys).look(pf(5, DOWN, AUTO))
    nobodys.cycle_done(1.0)
    nobodys.netlink_failed()
    assert not nobodys.changed
    assert nobodys.due == float("inf")


def test_the_library_is_loaded_only_where_metrics_are_asked_for() -> None:
    code = (
        "import sys; from pf_status_relay.cli.commands import run; "
        "from pf_status_relay.service import metrics; metrics.open_metrics(None); "
        "assert 'prometheus_client' not in sys.modules; metrics.open_metrics('/a.prom'); "
        "assert 'prometheus_client' in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=CHECKOUT)


# The page and the alerts


def everything(textfile: Textfile) -> str:
    """Return a file in which every metric has every series that it can have."""
    for relayed in (Relayed(textfile, sessions=SESSIONS), Relayed(textfile, "ens5f1")):
        for facts in (pf(5, UP, AUTO), pf(5, DOWN, AUTO), pf(5, UP, DISABLE)):
            relayed.look(facts)
    textfile.cycle_done(0.001)
    return written(textfile)


def test_promtool_finds_nothing_to_say_of_the_metrics(textfile: Textfile) -> None:
    text = everything(textfile)
    said = subprocess.run(
        [PROMTOOL, "check", "metrics"], input=text, capture_output=True, text=True, check=False
    )
    assert (said.returncode, said.stdout, said.stderr) == (0, "", "")


def test_the_page_describes_every_metric_with_its_type_and_labels(textfile: Textfile) -> None:
    text = everything(textfile)
    kinds = dict(re.findall(r"^# TYPE (\S+) (\S+)$", text, re.MULTILINE))
    labels: dict[str, set[str]] = {name: set() for name in kinds}
    for sample, found in re.findall(r"^(\w+?)(?:_bucket|_sum|_count)?(?:\{(.*)\})? ", text, re.MULTILINE):
        labels[sample] |= set(re.findall(r'(\w+)="', found)) - {"le"}
    documented = re.findall(r"^\| `(pf_\w+)` \| (\w+) \| (.*?) \|", PAGE.read_text(), re.MULTILINE)
    assert {name: kind for name, kind, _ in documented} == kinds
    assert {name: set(re.findall(r"`(\w+)`", listed)) for name, _, listed in documented} == labels


def test_the_pages_example_is_of_metrics_that_there_are(textfile: Textfile) -> None:
    page = PAGE.read_text()
    example = re.findall(r"^    (pf_status_relay_\w+(?:\{.*\})?) [\d.e-]+$", page, re.MULTILINE)
    there = re.findall(r"^(pf_\S+) ", everything(textfile), re.MULTILINE)
    assert len(example) > 10
    assert [line for line in example if line not in there] == []


def test_the_alerts_are_on_metrics_that_there_are(textfile: Textfile) -> None:
    names = set(re.findall(r"\bpf_status_relay_\w+", ALERTS.read_text()))
    there = set(re.findall(r"^pf_\w+", everything(textfile), re.MULTILINE))
    assert names <= there


def test_the_reactions_bounds_rise() -> None:
    assert list(metrics.REACTION_BUCKETS_S) == sorted(set(metrics.REACTION_BUCKETS_S))

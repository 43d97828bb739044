"""The journal catalog: every event explained, and nothing else."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from pf_status_relay.core.events import Event, journal_field
from tests.support.tools import output_of

CATALOG = Path(__file__).parents[2] / "packaging" / "pf-status-relay.catalog"
LINE = 82
"""Maximum columns of a line in a catalog entry, before the fields are filled in."""

EVENTS = {event.message_id: event for event in Event.__subclasses__()}


def catalog() -> Iterator[tuple[str, dict[str, str], str]]:
    """Yield each entry: MESSAGE_ID, header, text."""
    entries = re.split(r"^-- ([0-9a-f]+)\n", CATALOG.read_text(), flags=re.MULTILINE)[1:]
    for message_id, entry in zip(entries[::2], entries[1::2]):
        header, _, text = entry.partition("\n\n")
        yield message_id, dict(line.split(": ", 1) for line in header.splitlines()), text.strip()


def test_the_catalog_explains_every_event_and_nothing_else() -> None:
    explained = [message_id for message_id, _, _ in catalog()]
    missing = [event.__name__ for message_id, event in EVENTS.items() if message_id not in explained]
    assert missing == []
    assert sorted(explained) == sorted(EVENTS)


@pytest.mark.parametrize(
    ("message_id", "header", "text"),
    [pytest.param(*entry, id=entry[1]["Subject"]) for entry in catalog()],
)
def test_an_entry_says_what_happened_and_what_to_do(
    message_id: str, header: dict[str, str], text: str
) -> None:
    assert header["Defined-By"] == "pf-status-relay"
    assert header["Documentation"] in ("man:pf-status-relay(8)", "man:pf-status-relay.toml(5)")
    assert len(text.split("\n\n")) >= 2, "one paragraph says what happened, another what to do"
    assert max(map(len, text.splitlines())) <= LINE
    own = set(map(journal_field, EVENTS[message_id].fields))
    assert set(re.findall("@([A-Z_]+)@", header["Subject"] + text)) <= own, "only its own fields are replaced"


def test_journalctl_takes_the_catalog(tmp_path: Path) -> None:
    root = tmp_path / "usr/lib/systemd/catalog"
    root.mkdir(parents=True)
    shutil.copy(CATALOG, root)
    said = output_of("journalctl", f"--root={tmp_path}", "--update-catalog")
    assert said == ""
    listed = output_of("journalctl", f"--root={tmp_path}", "--list-catalog")
    assert len(listed.splitlines()) == len(EVENTS)

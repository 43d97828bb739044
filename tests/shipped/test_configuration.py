"""The configuration's keys in every text that users read: the shipped file, the manual page, the README."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from pf_status_relay.config import load
from pf_status_relay.config.keys import KEYS, POLLING_INTERVAL, REQUIRED, Config, Key, Milliseconds

CHECKOUT = Path(__file__).parents[2]
FILE = CHECKOUT / "etc" / "pf-status-relay.toml"
PAGE = CHECKOUT / "man" / "pf-status-relay.toml.5"
README = CHECKOUT / "README.md"
ROWS = [pytest.param(name, key, id=name) for name, key in KEYS.items()]


def paragraph(name: str) -> tuple[str, str]:
    """Return what the shipped file says about a key: its comment on one line, and its value."""
    blocks = FILE.read_text().split("\n\n")
    (block,) = (each for each in blocks if re.search(rf"^(# )?{name} = ", each, re.MULTILINE))
    *comment, setting = block.strip().splitlines()
    return " ".join(line.lstrip("# ") for line in comment), setting.partition(" = ")[2]


def sentence(key: Key) -> str:
    """Return the sentence that says what a key means, with unit and bounds, without its full stop."""
    text = key.meaning.rstrip(".")
    if isinstance(key.check, Milliseconds):
        text += f", in {key.unit}, {key.check.least} to {key.check.most}"
    return text


def test_the_configuration_has_a_field_for_each_key_with_its_default() -> None:
    defaults = Config(("ens5f0",))
    assert list(KEYS) == [name for name in vars(defaults) if name not in ("origins", "warnings")]
    for name, key in KEYS.items():
        assert key.default is REQUIRED or getattr(defaults, name) == key.default, name


@pytest.mark.parametrize(("name", "key"), ROWS)
def test_the_shipped_file_says_what_the_table_says(name: str, key: Key) -> None:
    comment, value = paragraph(name)
    assert sentence(key) in comment
    assert comment.startswith("Off unless set.") is (key.default is None)
    faults: list[str] = []
    taken = key.check(name, json.loads(value), faults)
    assert faults == []
    if key.default is not None and key.default is not REQUIRED:
        assert taken == key.default, "what stands in the file is the default"


def test_the_shipped_file_has_each_key_once_in_the_tables_order() -> None:
    assert re.findall(r"^(?:# )?(\w+) = ", FILE.read_text(), re.MULTILINE) == list(KEYS)


@pytest.mark.parametrize(("name", "key"), ROWS)
def test_the_manual_page_says_of_what_kind_a_key_is_and_its_default(name: str, key: Key) -> None:
    when = f"default {str(key.default).lower()}"
    if key.default is REQUIRED:
        when = "required"
    elif key.default is None:
        when = "off by default"
    text = PAGE.read_text().replace("\\-", "-")
    assert f'.BR {name} " ({key.kind}, {when})"\n' in text
    described = text[text.index(f".BR {name} ") :].split("\n.TP\n")[0]
    if isinstance(key.check, Milliseconds):
        assert f"in {key.unit}, {key.check.least} to {key.check.most}" in described


def test_the_readme_shows_the_keys_that_every_file_has_with_values_that_are_taken(tmp_path: Path) -> None:
    (block,) = re.findall(r"^```toml\n(.+?)^```$", README.read_text(), re.MULTILINE | re.DOTALL)
    file = tmp_path / "pf-status-relay.toml"
    file.write_text(block)
    shown = load.from_files(file, {})
    assert set(shown.origins) == {name for name, key in KEYS.items() if key.always_written}
    assert shown == Config(("ens5f0", "ens5f1"))
    least, most = POLLING_INTERVAL.least, POLLING_INTERVAL.most
    assert f"{least} to {most}" in block

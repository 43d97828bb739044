"""The forms for issues: valid for GitHub, and the commands in them exist."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from pf_status_relay.cli import main

FORMS = sorted((Path(__file__).parents[2] / ".github" / "ISSUE_TEMPLATE").glob("*.yml"))


@pytest.mark.parametrize("form", FORMS, ids=lambda form: str(form.name))
def test_a_form_has_what_github_demands(form: Path) -> None:
    content = yaml.safe_load(form.read_text())
    assert set(content) == {"name", "description", "labels", "body"}
    questions = [each for each in content["body"] if each["type"] != "markdown"]
    assert {each["type"] for each in questions} == {"textarea"}
    identifiers = [each["id"] for each in questions]
    assert len(set(identifiers)) == len(identifiers)
    assert all(each["attributes"]["label"] for each in questions)


def test_the_form_for_a_bug_asks_for_a_report() -> None:
    (text,) = (form.read_text() for form in FORMS if form.name == "bug.yml")
    named = re.findall(r"\bpf-status-relay ([a-z]+)", text)
    assert "report" in named
    for command in named:
        main.parser().parse_args([command])

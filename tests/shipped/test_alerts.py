"""The alert rules: valid, tested, and on the page that describes them."""

from __future__ import annotations

import re
from pathlib import Path

import yaml

from tests.support.tools import PROMTOOL, output_of

CHECKOUT = Path(__file__).parents[2]
PAGE = CHECKOUT / "docs" / "monitoring.md"
ALERTS = CHECKOUT / "docs" / "alerts.yml"
TESTS = Path(__file__).with_name("alerts.test.yml")


def test_the_alerts_are_valid_rules_and_ring_as_their_tests_say() -> None:
    said = output_of(PROMTOOL, "check", "rules", ALERTS)
    assert "SUCCESS: 10 rules found" in said, said
    said = output_of(PROMTOOL, "test", "rules", TESTS)
    assert "SUCCESS" in said, said


def test_every_alert_is_tested_and_is_on_the_page() -> None:
    (group,) = yaml.safe_load(ALERTS.read_text())["groups"]
    alerts = {rule["alert"] for rule in group["rules"]}
    tests = yaml.safe_load(TESTS.read_text())["tests"]
    tested = {
        each["alertname"] for test in tests for each in test["alert_rule_test"] if each.get("exp_alerts")
    }
    assert tested == alerts
    assert set(re.findall(r"^\| `(Pf\w+)` \|", PAGE.read_text(), re.MULTILINE)) == alerts

"""Write the generated examples: Grafana's dashboard, and the alerts as a PrometheusRule.

    python3 contrib/generate.py

Add a panel to PANELS, and an alert to docs/alerts.yml. Tests compare the files with this program's output.
"""

from __future__ import annotations

import json
from pathlib import Path
from textwrap import indent
from typing import Any, NamedTuple

CHECKOUT = Path(__file__).parents[1]
ALERTS = CHECKOUT / "docs" / "alerts.yml"
EXAMPLES = Path(__file__).with_name("examples")
DASHBOARD = EXAMPLES / "grafana-dashboard.json"
RULE = EXAMPLES / "openshift-alerts.yaml"

COLUMNS = 24
HEIGHT = 8
_SOURCE = {"type": "prometheus", "uid": "${datasource}"}


class Query(NamedTuple):
    """A PromQL expression, and the legend of its series. `HOSTS` in it is the selection of hosts."""

    expression: str
    legend: str

    @property
    def promql(self) -> str:
        """Return the expression with Grafana's variable."""
        return self.expression.replace("HOSTS", 'instance=~"$instance"')


class Panel(NamedTuple):
    """One panel. `kind` and `unit` are Grafana's names; a width of 24 is the whole row."""

    title: str
    meaning: str
    kind: str
    unit: str
    width: int
    queries: tuple[Query, ...]


PANELS = (
    Panel(
        "PFs",
        "How many PFs have LACP up, have it down, and are not relayed for.",
        *("stat", "none", 8),
        (
            Query("count(pf_status_relay_lacp_up{HOSTS} == 1) or vector(0)", "up"),
            Query("count(pf_status_relay_lacp_up{HOSTS} == 0) or vector(0)", "down"),
            Query("count(pf_status_relay_ready{HOSTS} == 0) or vector(0)", "not ready"),
        ),
    ),
    Panel(
        "LACP",
        "1: LACP is up. 0: it is down. A gap: the PF is not relayed for.",
        *("state-timeline", "none", 16),
        (Query("pf_status_relay_lacp_up{HOSTS}", "{{instance}} {{interface}}"),),
    ),
    Panel(
        "VFs by link state",
        "VFs in auto follow the PF; those in disable are cut off, as LACP is down or the PF is drained.",
        *("timeseries", "none", 12),
        (
            Query(
                "sum by (instance, link_state) (pf_status_relay_vfs{HOSTS})",
                "{{instance}} {{link_state}}",
            ),
        ),
    ),
    Panel(
        "Losses of LACP in 5 minutes",
        "How often LACP went down. More than a few is a link that flaps.",
        *("timeseries", "none", 12),
        (
            Query(
                "sum by (instance, interface) "
                '(increase(pf_status_relay_lacp_transitions_total{HOSTS, to="down"}[5m]))',
                "{{instance}} {{interface}}",
            ),
        ),
    ),
    Panel(
        "Reaction",
        "From the port state read as down until the last VF of the PF was set, in the last 5 minutes.",
        *("timeseries", "s", 12),
        tuple(
            Query(
                f"histogram_quantile({quantile}, sum by (le) "
                "(increase(pf_status_relay_reaction_seconds_bucket{HOSTS}[5m])))",
                legend,
            )
            for quantile, legend in ((0.5, "median"), (0.99, "99 %"))
        ),
    ),
    Panel(
        "Writes that drivers refused",
        "VF link states in a second. A refused VF is tried again.",
        *("timeseries", "none", 12),
        (
            Query(
                "sum by (instance, interface, link_state) "
                "(rate(pf_status_relay_vf_writes_refused_total{HOSTS}[5m]))",
                "{{instance}} {{interface}} {{link_state}}",
            ),
        ),
    ),
    Panel(
        "LACP port states",
        "IEEE 802.1AX, 0 to 255: 63 is healthy on the fast rate, 61 on the slow one.",
        *("timeseries", "none", 12),
        (
            Query("pf_status_relay_actor_port_state{HOSTS}", "{{instance}} {{interface}} actor"),
            Query("pf_status_relay_partner_port_state{HOSTS}", "{{instance}} {{interface}} partner"),
        ),
    ),
    Panel(
        "The service",
        "The age of the file, the time of a cycle, and errors of netlink in a second.",
        *("timeseries", "none", 12),
        (
            Query(
                "node_time_seconds{HOSTS} - on (instance, job) max by (instance, job) "
                "(pf_status_relay_written_timestamp_seconds)",
                "{{instance}} age of the file, s",
            ),
            Query(
                "rate(pf_status_relay_cycle_duration_seconds_sum{HOSTS}[5m]) / "
                "rate(pf_status_relay_cycle_duration_seconds_count{HOSTS}[5m])",
                "{{instance}} cycle, s",
            ),
            Query("rate(pf_status_relay_netlink_errors_total{HOSTS}[5m])", "{{instance}} errors per s"),
        ),
    ),
)


def dashboard() -> str:
    """Return the dashboard as JSON that Grafana imports."""
    panels: list[dict[str, Any]] = []
    column = row = 0
    for number, panel in enumerate(PANELS, 1):
        if column + panel.width > COLUMNS:
            column, row = 0, row + HEIGHT
        panels.append(
            {
                "id": number,
                "title": panel.title,
                "description": panel.meaning,
                "type": panel.kind,
                "datasource": _SOURCE,
                "gridPos": {"x": column, "y": row, "w": panel.width, "h": HEIGHT},
                "fieldConfig": {"defaults": {"unit": panel.unit}, "overrides": []},
                "targets": [
                    {
                        "refId": chr(ord("A") + position),
                        "datasource": _SOURCE,
                        "expr": query.promql,
                        "legendFormat": query.legend,
                    }
                    for position, query in enumerate(panel.queries)
                ],
            }
        )
        column += panel.width
    model = {
        "title": "pf-status-relay",
        "uid": "pf-status-relay",
        "tags": ["pf-status-relay"],
        "schemaVersion": 36,
        "editable": True,
        "refresh": "30s",
        "time": {"from": "now-6h", "to": "now"},
        "templating": {
            "list": [
                {"name": "datasource", "label": "Prometheus", "type": "datasource", "query": "prometheus"},
                {
                    "name": "instance",
                    "label": "Host",
                    "type": "query",
                    "datasource": _SOURCE,
                    "query": "label_values(pf_status_relay_build_info, instance)",
                    "refresh": 2,
                    "multi": True,
                    "includeAll": True,
                    "allValue": ".*",
                    "current": {"text": "All", "value": "$__all"},
                },
            ]
        },
        "panels": panels,
    }
    return json.dumps(model, indent=2) + "\n"


def rule() -> str:
    """Return the alerts as a resource of the Prometheus operator, with their comments."""
    comment, groups = ALERTS.read_text().split("\n", 1)
    assert comment.startswith("#")
    return f"""\
# docs/alerts.yml for openshift-metrics.yaml, written by contrib/generate.py. Not run in a cluster.
apiVersion: monitoring.coreos.com/v1
kind: PrometheusRule
metadata:
  name: pf-status-relay
  namespace: pf-status-relay-metrics
spec:
{indent(groups, "  ")}"""


def main() -> None:
    """Write both files."""
    DASHBOARD.write_text(dashboard())
    RULE.write_text(rule())


if __name__ == "__main__":
    main()

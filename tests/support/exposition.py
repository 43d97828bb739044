"""Metrics as Prometheus reads them from a file, with the library's own parser."""

from __future__ import annotations

from prometheus_client.parser import text_string_to_metric_families


def samples(text: str) -> dict[str, float]:
    """Return each sample's value by its name and labels: `vfs{interface="ens5f0",link_state="auto"}`.

    The prefix that all names share, `pf_status_relay_`, is left out.
    """
    found: dict[str, float] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            assert sample.name.startswith("pf_status_relay_"), sample
            labels = ",".join(f'{name}="{value}"' for name, value in sample.labels.items())
            found[sample.name[len("pf_status_relay_") :] + (f"{{{labels}}}" if labels else "")] = sample.value
    return found


def of_interface(text: str, interface: str) -> dict[str, float]:
    """Return the samples of one interface, without its label."""
    label = f'interface="{interface}"'
    return {
        name.replace(f"{label},", "").replace(f"{{{label}}}", ""): value
        for name, value in samples(text).items()
        if label in name
    }

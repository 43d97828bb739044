"""The configuration as TOML, for a file and for a person. What is written here is read by config.py."""

from __future__ import annotations

import dataclasses

import tomli_w

from pf_status_relay.config import AUTO, KEYS, Config

_ALWAYS_SAID = ("interfaces", "polling_interval_ms")


def toml(config: Config) -> str:
    """Return the text of a configuration file; of most keys a value that is the default is left out."""
    return "".join(
        _line(config, field.name)
        for field in _keys()
        if field.name in _ALWAYS_SAID or getattr(config, field.name) != field.default
    )


def explained(config: Config) -> str:
    """Return every key with its value, under a comment that says where that is from. It is TOML, too."""
    lines: list[str] = []
    for field in _keys():
        lines.append(f"# {config.origins.get(field.name, 'default')}\n")
        is_off = getattr(config, field.name) is None
        lines.append(f"# {field.name} is off\n" if is_off else _line(config, field.name))
    return "".join(lines)


def _keys() -> list[dataclasses.Field[object]]:
    """Return the fields that have the names of keys."""
    return [field for field in dataclasses.fields(Config) if field.name in KEYS]


def _line(config: Config, key: str) -> str:
    value = getattr(config, key)
    return tomli_w.dumps({key: AUTO[0] if (key, value) == ("interfaces", AUTO) else value})

"""The configuration as TOML, for a file and for a person. load.py can read it."""

from __future__ import annotations

import tomli_w

from pf_status_relay.config.keys import AUTO, KEYS, Config


def toml(config: Config) -> str:
    """Return the text of a configuration file. Leave out most keys whose value is the default."""
    return "".join(
        _line(config, name)
        for name, key in KEYS.items()
        if key.always_written or getattr(config, name) != key.default
    )


def explained(config: Config) -> str:
    """Return, as TOML, every key with its value, under a comment that names the source of the value."""
    lines: list[str] = []
    for name in KEYS:
        lines.append(f"# {config.origins.get(name, 'default')}\n")
        lines.append(f"# {name} is off\n" if getattr(config, name) is None else _line(config, name))
    return "".join(lines)


def _line(config: Config, key: str) -> str:
    value = getattr(config, key)
    return tomli_w.dumps({key: AUTO[0] if (key, value) == ("interfaces", AUTO) else value})

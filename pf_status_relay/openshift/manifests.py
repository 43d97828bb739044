"""Kubernetes resources as YAML: read with bounds, written the same way every time.

Only this module needs PyYAML, and no module that the daemon loads imports it.

The input comes from a cluster or a git repository, and can be anything. So its size and depth are bounded;
no key may appear twice; aliases are refused, because a page of text with them can expand to gigabytes, and
neither `oc` nor `kubectl` ever prints one; and only JSON's types are accepted, which are all that Kubernetes
knows. This uses PyYAML's Python parser: libyaml's overflows the stack on deep nesting before the depth can
be checked.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

import yaml
from yaml.constructor import ConstructorError
from yaml.events import AliasEvent
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode
from yaml.reader import ReaderError

from pf_status_relay.text import one_line

MAX_BYTES = 1 << 19
"""Maximum size of a text in bytes: several hundred resources of `oc get`. PyYAML takes seconds for it."""

MAX_DIGITS = 40
"""Maximum length of a number: Python's time to read one grows with the square of its length."""


MAX_DEPTH = 50
"""Maximum nesting of lists and maps. Kubernetes' own resources have less than half of it."""


class ResourceError(Exception):
    """A text that is not YAML as this module accepts it. The message is one line."""


@dataclass(frozen=True)
class Resource:
    """One object of a YAML text: `where` says which one (for messages), `content` is its value."""

    where: str
    content: Any


def read(name: str, data: bytes) -> Iterator[Resource]:
    """Yield the resources in a YAML text, one by one; `name` says where the text is from.

    The text may have many documents. Empty ones are left out. A List, as `oc get -o yaml` prints it, is
    replaced by its items; a List within a List is not. Raises ResourceError at the first place that cannot be
    read; the resources before it have been yielded.
    """
    if len(data) > MAX_BYTES:
        raise ResourceError(f"{name}: has more than {MAX_BYTES} bytes")
    for number, content in enumerate(_documents(name, data), start=1):
        if content is None:
            continue
        where = name if number == 1 else f"{name}: document {number}"
        items = _items(content)
        if items is None:
            yield Resource(where, content)
            continue
        for position, item in enumerate(items):
            yield Resource(f"{where}: items[{position}]", item)


def write(documents: Iterable[tuple[str, dict[str, Any]]]) -> str:
    """Return resources as YAML documents, each under its comment, the same for the same input.

    A comment can have any number of lines. An empty comment has none.
    """
    texts: list[str] = []
    for comment, content in documents:
        comments = "".join(f"# {line}\n" for line in comment.splitlines())
        texts.append(f"---\n{comments}{text(content)}")
    return "".join(texts)


def text(content: dict[str, Any]) -> str:
    """Return one resource as YAML. No line is folded, as a data URL is one word. A text keeps its lines."""
    return yaml.dump(content, Dumper=_Dumper, sort_keys=False, width=1 << 20)


class _Dumper(yaml.SafeDumper):
    """Writes YAML that a person can read in a diff."""

    def string(self, value: str) -> yaml.ScalarNode:
        """Return a string, as a block if it has several lines."""
        style = "|" if "\n" in value else None
        return self.represent_scalar("tag:yaml.org,2002:str", value, style=style)


_Dumper.add_representer(str, _Dumper.string)


def _documents(name: str, data: bytes) -> Iterator[Any]:
    try:
        yield from yaml.load_all(data.decode("utf-8"), Loader=_Loader)
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise ResourceError(
            f"{name}: line {line} has the byte 0x{data[error.start]:02x}; allowed: UTF-8 text"
        ) from None
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = f" (at line {mark.line + 1}, column {mark.column + 1})" if mark else ""
        said = one_line(" ".join(str(error.problem or error.context).split()))
        raise ResourceError(f"{name}: is not valid YAML: {said}{place}") from None
    except ReaderError as error:
        decoded = data.decode("utf-8")
        line = decoded.count("\n", 0, error.position) + 1
        column = error.position - decoded.rfind("\n", 0, error.position)
        raise ResourceError(
            f"{name}: is not valid YAML: the character U+{ord(decoded[error.position]):04X} is not allowed "
            f"(at line {line}, column {column})"
        ) from None
    except (ValueError, OverflowError):  # of a %YAML version, or of a character in quotes: "\UFFFFFFFF"
        raise ResourceError(f"{name}: is not valid YAML: has a number that is too large") from None


def _items(content: object) -> list[Any] | None:
    """Return the items of a List, None for any other resource."""
    if not isinstance(content, dict) or content.get("kind") not in ("List", "PFLACPMonitorList"):
        return None
    items = content.get("items")
    return items if isinstance(items, list) else None


class _Loader(yaml.SafeLoader):
    """Reads YAML that holds only what JSON can express."""

    yaml_constructors: ClassVar[dict[Any, Any]] = {}
    _depth = 0

    def compose_node(self, parent: Node | None, index: int) -> Node | None:
        """Refuse an alias and too deep nesting; compose anything else."""
        event = self.peek_event()  # type: ignore[no-untyped-call]
        if isinstance(event, AliasEvent):
            raise ConstructorError(None, None, "aliases (*name) are not allowed", event.start_mark)
        if self._depth == MAX_DEPTH:
            raise ConstructorError(None, None, "nested too deeply", event.start_mark)
        self._depth += 1
        node = super().compose_node(parent, index)
        self._depth -= 1
        return node

    def mapping(self, node: Node) -> dict[Any, Any]:
        """Return a mapping. Refuse keys that are not strings, and duplicate keys."""
        if not isinstance(node, MappingNode):
            raise ConstructorError(None, None, "not a map", node.start_mark)
        found: dict[Any, Any] = {}
        for key_node, value_node in node.value:
            if not isinstance(key_node, ScalarNode):
                raise ConstructorError(None, None, "a key that is not a string", key_node.start_mark)
            key = self.construct_object(key_node)
            if key in found:
                said = f"the key {key_node.value[:40]!r} appears twice"
                raise ConstructorError(None, None, said, key_node.start_mark)
            found[key] = self.construct_object(value_node, deep=True)
        return found

    def sequence(self, node: Node) -> list[Any]:
        """Return a list."""
        if not isinstance(node, SequenceNode):
            raise ConstructorError(None, None, "not a list", node.start_mark)
        return [self.construct_object(item, deep=True) for item in node.value]

    def number(self, node: ScalarNode) -> int | float:
        """Return a number of no more than MAX_DIGITS characters."""
        if len(node.value) > MAX_DIGITS:
            raise ConstructorError(None, None, "a number has too many digits", node.start_mark)
        is_int = node.tag.endswith(":int")
        found: int | float
        try:
            found = self.construct_yaml_int(node) if is_int else self.construct_yaml_float(node)
        except (ValueError, IndexError):  # IndexError: an empty text, or only a sign
            raise ConstructorError(None, None, "not a number", node.start_mark) from None
        return found

    def boolean(self, node: ScalarNode) -> bool:
        """Return true or false."""
        try:
            found: bool = self.construct_yaml_bool(node)
        except KeyError:
            raise ConstructorError(None, None, "neither true nor false", node.start_mark) from None
        return found

    def refused(self, node: Node) -> Any:
        """Refuse a tag."""
        raise ConstructorError(None, None, f"the tag {node.tag[:60]} is not allowed", node.start_mark)


for _tag, _constructor in (
    ("null", _Loader.construct_yaml_null),
    ("bool", _Loader.boolean),
    ("int", _Loader.number),
    ("float", _Loader.number),
    ("str", _Loader.construct_yaml_str),
    # A time stays a string: no field here is a time, and PyYAML fails on a day such as the 32nd.
    ("timestamp", _Loader.construct_yaml_str),
    ("seq", _Loader.sequence),
    ("map", _Loader.mapping),
):
    _Loader.add_constructor(f"tag:yaml.org,2002:{_tag}", _constructor)
_Loader.add_constructor(None, _Loader.refused)

"""YAML in and out: what is accepted, where faults are, and that no input makes the program crash."""

from __future__ import annotations

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from pf_status_relay.openshift import manifests
from pf_status_relay.openshift.manifests import MAX_BYTES, Resource, ResourceError, read, write


def fault(data: bytes) -> str:
    """Return the one-line error of reading."""
    with pytest.raises(ResourceError) as caught:
        list(read("FILE", data))
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_one_document() -> None:
    assert list(read("FILE", b"a: [x, 1, 1.5, true, null]\n")) == [
        Resource("FILE", {"a": ["x", 1, 1.5, True, None]})
    ]


def test_many_documents_are_told_apart_and_empty_ones_left_out() -> None:
    found = list(read("FILE", b"---\na: 1\n---\n---\n# nothing\n---\nb: 2\n"))
    assert found == [Resource("FILE", {"a": 1}), Resource("FILE: document 4", {"b": 2})]


@pytest.mark.parametrize("kind", ["List", "PFLACPMonitorList"])
def test_a_list_is_its_items(kind: str) -> None:
    text = f"kind: {kind}\nitems:\n- a: 1\n- kind: List\n  items: [1]\n"
    assert list(read("FILE", text.encode())) == [
        Resource("FILE: items[0]", {"a": 1}),
        Resource("FILE: items[1]", {"kind": "List", "items": [1]}),
    ]


def test_a_list_without_items_is_left_for_others_to_judge() -> None:
    assert list(read("FILE", b"kind: List\nitems: 1")) == [Resource("FILE", {"kind": "List", "items": 1})]


def test_json_is_yaml() -> None:
    assert list(read("FILE", b'{"kind": "List", "items": [{"a": "\\u00fc"}]}')) == [
        Resource("FILE: items[0]", {"a": "ü"})
    ]


def test_a_time_is_left_as_it_was_written() -> None:
    assert list(read("FILE", b"at: 2025-02-32\n")) == [Resource("FILE", {"at": "2025-02-32"})]


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("a: [1\nb: 2\n", "FILE: is not valid YAML: expected ',' or ']', but got ':' (at line 2, column 2)"),
        (
            "a: 1\n b: 2\n",
            "FILE: is not valid YAML: mapping values are not allowed here (at line 2, column 3)",
        ),
        ("a: \x07\n", "FILE: is not valid YAML: the character U+0007 is not allowed (at line 1, column 4)"),
        ("a: 1\nb: 2\na: 3\n", "FILE: is not valid YAML: the key 'a' appears twice (at line 3, column 1)"),
        (
            "a: &x 1\nb: *x\n",
            "FILE: is not valid YAML: aliases (*name) are not allowed (at line 2, column 4)",
        ),
        ("? [a]\n: 1\n", "FILE: is not valid YAML: a key that is not a string (at line 1, column 3)"),
        (
            "a: !!python/object:os.system 1\n",
            "FILE: is not valid YAML: the tag tag:yaml.org,2002:python/object:os.system is not allowed "
            "(at line 1, column 4)",
        ),
        (
            "a: !!binary YQ==\n",
            "FILE: is not valid YAML: the tag tag:yaml.org,2002:binary is not allowed (at line 1, column 4)",
        ),
        ("a: !!int x\n", "FILE: is not valid YAML: not a number (at line 1, column 4)"),
        (
            f"a: {'9' * 41}\n",
            "FILE: is not valid YAML: a number has too many digits (at line 1, column 4)",
        ),
        ('a: !!int ""\n', "FILE: is not valid YAML: not a number (at line 1, column 4)"),
        (
            "a: !!float -\n",
            "FILE: is not valid YAML: sequence entries are not allowed here (at line 1, column 12)",
        ),
        ('a: !!float "-"\n', "FILE: is not valid YAML: not a number (at line 1, column 4)"),
        ("a: !!bool x\n", "FILE: is not valid YAML: neither true nor false (at line 1, column 4)"),
        ("a: !!seq x\n", "FILE: is not valid YAML: not a list (at line 1, column 4)"),
        ("a: !!map x\n", "FILE: is not valid YAML: not a map (at line 1, column 4)"),
        ("? !!seq x\n: 1\n", "FILE: is not valid YAML: not a list (at line 1, column 3)"),
        ('a: "\\UFFFFFFFF"\n', "FILE: is not valid YAML: has a number that is too large"),
        ('a: "\\U00110000"\n', "FILE: is not valid YAML: has a number that is too large"),
        (f"%YAML {'9' * 5000}.1\n---\n", "FILE: is not valid YAML: has a number that is too large"),
    ],
)
def test_broken_yaml_is_one_line_with_file_line_and_column(text: str, line: str) -> None:
    assert fault(text.encode()) == line


def test_what_the_reader_of_yaml_quotes_is_cut_and_the_place_is_not() -> None:
    line = fault(b"a: !" + b"x" * 2000 + b"! 1\n")
    assert len(line) < 400
    assert line.endswith("(at line 1, column 2006)")


def test_text_that_is_not_utf_8() -> None:
    assert fault(b"a: 1\nb: \xe9\n") == "FILE: line 2 has the byte 0xe9; allowed: UTF-8 text"


def test_what_comes_before_a_fault_is_read() -> None:
    reading = read("FILE", b"a: 1\n---\n]\n")
    assert next(reading) == Resource("FILE", {"a": 1})
    with pytest.raises(ResourceError, match="line 3, column 1"):
        next(reading)


def test_the_size_is_bounded() -> None:
    assert list(read("FILE", b"#" * MAX_BYTES)) == []
    assert fault(b"#" * (MAX_BYTES + 1)) == f"FILE: has more than {MAX_BYTES} bytes"


def test_a_billion_laughs_are_refused_at_the_first() -> None:
    lines = ['a0: &a0 "lol"', *(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 12))]
    assert "aliases (*name) are not allowed (at line 2, column 10)" in fault("\n".join(lines).encode())


@pytest.mark.parametrize(("opening", "column"), [("[", 51), ("{a: ", 198), ("- ", 101)])
def test_nesting_ends_at_a_line_and_not_at_the_stack(opening: str, column: int) -> None:
    assert fault(opening.encode() * (MAX_BYTES // len(opening))) == (
        f"FILE: is not valid YAML: nested too deeply (at line 1, column {column})"
    )


def test_fifty_lists_in_one_another_are_taken() -> None:
    (found,) = read("FILE", b"[" * 50 + b"]" * 50)
    assert str(found.content) == "[" * 50 + "]" * 50


def refusal(data: bytes) -> str | None:
    """Return the one-line error of reading, None if all was read."""
    try:
        list(read("FILE", data))
    except ResourceError as error:
        return str(error)
    return None


@given(st.binary(max_size=200) | st.text(alphabet="ab:-[]{}&*!|>'\"# \n\t?,0", max_size=60).map(str.encode))
def test_any_bytes_are_read_or_refused_in_one_line(data: bytes) -> None:
    line = refusal(data)
    assert line is None or (line.startswith("FILE: ") and "\n" not in line)


def test_written_resources_keep_their_order_and_fold_no_line() -> None:
    long = "x " * 500
    assert write([("one\ntwo", {"b": 1, "a": long.strip()}), ("", {"c": "on"})]) == (
        f"---\n# one\n# two\nb: 1\na: {long.strip()}\n---\nc: 'on'\n"
    )


@given(st.dictionaries(st.text(max_size=5), st.text(max_size=20) | st.integers() | st.booleans(), max_size=4))
def test_what_is_written_reads_back(content: dict[str, object]) -> None:
    text = manifests.write([("said", content), ("", content)])
    assert list(yaml.safe_load_all(text)) == [content, content]
    assert text == manifests.write([("said", content), ("", content)])


def test_a_text_keeps_its_lines() -> None:
    content = {"contents": "[Service]\nExecStart=/bin/sh -c 'a: \"$b\"' # c\n\n[Install]\n", "url": "a"}
    out = manifests.text(content)
    assert out == (
        "contents: |\n  [Service]\n  ExecStart=/bin/sh -c 'a: \"$b\"' # c\n\n  [Install]\nurl: a\n"
    )
    (read,) = manifests.read("out", out.encode())
    assert read.content == content

"""Fuzzing of what comes from outside: the kernel, files, the environment (docs/reliability.md).

One module per input, each with `check(data)`: decode the bytes, and raise if the code under test raises
what it does not document, says what cannot be shown in a line, or does not give back what it was
given. None needs atheris, so that tests/fuzz/test_corpus.py can replay the corpus everywhere.
"""

TARGETS = (
    "link_messages",
    "vf_lists",
    "lacpdu_counters",
    "answers",
    "events",
    "configuration",
    "environment",
    "monitors",
)
"""The modules, each with a folder of this name in corpus/."""

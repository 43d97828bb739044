"""Fuzzing of what comes from outside: the kernel, files, the environment (docs/reliability.md).

One module per input, each with `check(data)`: decode the bytes, and raise if the code under test raises
what it does not document, says what cannot be shown in a line, or does not give back what it was
given. None needs atheris, so that tests/fuzz/test_corpus.py can replay the corpus everywhere.

The corpus holds what was found to teach something, each input named for what it is: it reaches a line or a
message that no other reaches, or was a finding. Those that a kernel sent are named kernel-. What the fuzzer
learns beside them stays in build/fuzz/.
"""

TARGETS = (
    "link_messages",
    "vf_lists",
    "lacpdu_counters",
    "answers",
    "events",
    "bfd_messages",
    "configuration",
    "environment",
    "monitors",
)
"""The modules, each with a folder of this name in corpus/."""

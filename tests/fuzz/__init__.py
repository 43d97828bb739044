"""Fuzzing of what comes from outside: the kernel, files, the environment (docs/reliability.md).

One module per input, each with `check(data)`. It decodes the bytes, and raises if the code under test raises
an undocumented error, prints a message that is not one printable line, or loses a value between encoding and
decoding. None needs atheris, so that tests/fuzz/test_corpus.py can replay the corpus everywhere.

The corpus holds inputs that reach a line or a message that no other input reaches, or that were findings.
Each is named for what it is; the name of a message that a kernel sent begins with kernel-. Further inputs
that the fuzzer finds stay in build/fuzz/.
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
"""Module names, each with a folder of its name in corpus/."""

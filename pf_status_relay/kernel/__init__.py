"""Bytes of the kernel to facts, and back: rtnetlink, its sockets, sysfs. Decides nothing."""

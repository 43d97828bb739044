"""Unit tests of pf_status_relay.frr."""

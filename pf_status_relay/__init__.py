"""pf-status-relay: carry the LACP verdict of a physical function to its virtual functions."""

__version__ = "0.1.0"

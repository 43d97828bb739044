"""Tests of the checkout itself: what set-up installs, the laws of the wings, and the documents."""

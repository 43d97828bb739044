"""The checkout itself: what set-up installs, and the laws of the wings."""

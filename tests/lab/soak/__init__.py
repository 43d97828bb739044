"""Random sequences of what can happen to a host, and the properties that hold in all of them."""

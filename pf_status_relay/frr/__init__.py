"""What FRR's daemons report, to facts: bfdd's control socket. Decides nothing."""

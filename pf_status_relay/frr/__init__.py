"""What FRR's daemons tell, to facts: bfdd's control socket. Decides nothing."""

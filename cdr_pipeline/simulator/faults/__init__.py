"""Faults of real switches and of the network in front of them. One file per fault; each is activated by its name."""

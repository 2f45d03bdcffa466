"""Cells on a Ray cluster: connection, what travels, what a node does, and the driver that hands out and writes."""

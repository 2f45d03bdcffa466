"""Base against head, paired: what is measured in which order, and what follows from it."""

"""Plans, experiments and what follows from them."""

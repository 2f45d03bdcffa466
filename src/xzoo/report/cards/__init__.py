"""Model cards and reporting checklists: what a run knows of a model that it trained, and what its author must still write."""

"""Stands for a user who presses Ctrl-C while a plugin is imported."""

raise KeyboardInterrupt

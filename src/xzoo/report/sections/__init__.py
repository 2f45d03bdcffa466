"""What a report says, section by section: each file reads a run and returns plain values; templates show them."""

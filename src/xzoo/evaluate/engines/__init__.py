"""What executes inference: engines behind one protocol, and which of them pays."""

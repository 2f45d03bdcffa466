"""What xzoo is held against, and the one command that does it in turns: `python tests/benchmarks/peers/run.py SCENARIO`."""

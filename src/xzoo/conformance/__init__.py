"""What every backbone can be put through, shipped to plugin authors as a pytest plugin."""

"""Images from anywhere, decoded once; splits; batches."""

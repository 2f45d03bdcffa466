"""Results shown: it reads, and never trains."""

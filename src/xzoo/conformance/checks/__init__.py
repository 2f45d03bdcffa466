"""What the conformance kit demands: one function per check, one module per matter."""

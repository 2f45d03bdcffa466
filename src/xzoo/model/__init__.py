"""Networks made from declarations: weights, head, freezing, cost."""

"""Export dialects: one module each, and the registry that lists them."""

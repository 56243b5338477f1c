"""Charts as SVG, and texts that pages show in other languages."""

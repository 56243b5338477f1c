"""Charts: columns as SVG, and the bars of the four weeks before a day."""

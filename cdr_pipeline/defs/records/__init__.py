"""Records: merge, links, search."""

"""Rules for single records: identity, checks, merge, links, search and the detail document."""

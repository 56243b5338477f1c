"""The CDR API of the seed, in the shapes of the switch's own API, over the merged records."""

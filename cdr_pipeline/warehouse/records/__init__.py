"""Records: staging and merging of batches, links between records, partitions, search."""

"""HTTP API over the merged records: the Kazoo CDR API (2017 page), with upload and additional filters."""

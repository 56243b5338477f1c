"""What real switches and the networks before them do to a client, one file a case; switched on by name."""

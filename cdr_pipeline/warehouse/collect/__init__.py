"""Collection from the switch."""

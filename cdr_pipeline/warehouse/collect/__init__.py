"""Collection from the switch: windows and the claims on collecting them."""

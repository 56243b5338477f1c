"""Files of carriers and other systems: import profiles, safe opening, and parsing that accounts for every line."""

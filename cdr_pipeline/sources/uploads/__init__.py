"""Files of carriers and other systems: profiles, safe opening, and text to rows with every line accounted for."""

"""Client of the switch's CDR API: its dialects, planning of windows, requests, and parsing of replies."""

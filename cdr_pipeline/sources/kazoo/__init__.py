"""The switch's CDR API: what its versions do differently, which windows to ask for, and asking."""

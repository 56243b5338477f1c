"""Identity providers with which users of the console sign in."""

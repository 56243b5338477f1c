"""The HTTP server: the API and the console behind one port, in one process or several."""

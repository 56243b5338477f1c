"""Server-rendered pages for finance and operators. Calls only steps; works without JavaScript."""

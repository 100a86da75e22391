"""Graphs and statistics over the published tables; SQL has counted the rows, Python looks at their shape."""

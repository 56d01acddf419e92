"""Pictures: grids, charts, points, animations, and the HTML page."""

"""Pictures for people: grids, charts, points, animations, pages."""

"""What watches a run: logs, losses, sample pictures, what moves, evaluations, the run's page."""

"""How good samples are: measurements of points and of images, each beside what real data scores."""

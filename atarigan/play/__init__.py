"""Players that look at pixels: made by imitation, and judged by what they score."""

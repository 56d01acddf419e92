"""Models as pages that run them in a browser; `atarigan/pictures/play` is what runs there."""

"""Networks of published GANs."""

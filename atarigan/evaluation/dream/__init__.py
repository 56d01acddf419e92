"""Evaluation of dreams: how exact a learned game is, and how alike it plays."""

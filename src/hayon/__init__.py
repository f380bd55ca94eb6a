"""Hayon takes a post once and publishes it on many platforms, and tells the truth about what became of it."""

__version__ = "0.1.0"

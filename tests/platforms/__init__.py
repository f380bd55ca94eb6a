"""Adapters, each against tables, simulated platforms and real servers."""

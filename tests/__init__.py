"""Hayon's tests. `make test` runs them all."""

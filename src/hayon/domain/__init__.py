"""Decisions: pure functions and values. Standard library only; no input or output, no clock."""

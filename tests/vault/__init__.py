"""Tests of hayon.vault."""

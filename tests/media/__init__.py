"""Tests of hayon.media, with real pictures."""

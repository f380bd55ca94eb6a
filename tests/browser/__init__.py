"""Hayon as people meet it: in Chromium, on a Hayon in a process of its own, with the simulated platforms."""

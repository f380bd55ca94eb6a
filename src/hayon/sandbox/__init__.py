"""Simulated platforms that speak the real ones' HTTP, strictly, and play faults on request.

A garden house: it imports nothing of the rest of the package, and the rest imports nothing of it but the command
that starts it, so that a simulator never shares an adapter's misunderstanding.
"""

"""Tests of the Facebook adapter."""

"""The Bluesky adapter."""

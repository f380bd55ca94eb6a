"""A simulated Mastodon instance, as a client that publishes sees it."""

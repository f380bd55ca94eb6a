"""A simulated AT Protocol PDS, as a client that publishes sees it."""

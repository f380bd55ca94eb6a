"""Meta's simulated platforms: what their Graph has in common; Threads and Instagram, which share the container; Facebook."""

"""What speaks to a running Hayon over its API: `hayon posts`, `hayon parking`, `hayon dead-letters`."""

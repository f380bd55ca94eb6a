"""One suite for each seam with several implementations; every implementation passes it."""

"""The simulated Instagram, as accounts reach it that log in with Instagram itself."""

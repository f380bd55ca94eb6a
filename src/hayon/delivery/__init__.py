"""The work: taking posts in, ringing for what is due, carrying each target to its platform, telling what became of it."""

"""The Threads adapter: counting, rules, what its containers hold, and connecting."""

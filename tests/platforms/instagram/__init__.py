"""The Instagram adapter: rules, what its containers hold, and connecting."""

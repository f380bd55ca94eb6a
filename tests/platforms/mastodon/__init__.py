"""The Mastodon adapter: counting, answers, and both faces against the sandbox and scripted answers."""

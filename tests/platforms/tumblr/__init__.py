"""The Tumblr adapter: blocks, signatures, answers, and both faces against a scripted blog and scripted answers."""

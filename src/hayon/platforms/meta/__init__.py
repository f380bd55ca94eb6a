"""What Threads, Instagram and Facebook share: Graph and its errors, containers, long-lived tokens. No platform by itself."""

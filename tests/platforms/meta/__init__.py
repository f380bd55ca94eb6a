"""What Threads, Instagram and Facebook share: one API, one table of errors, containers, tokens that renew themselves."""

"""All SQL, one file per noun. Everything here is a plain function over one transaction; the Database runs it."""

"""One room per platform behind one contract; adapters do not know one another, nor who calls them."""

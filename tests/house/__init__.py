"""The house rules: documents tell the truth, and the tree keeps its manners. What the programs do is tested elsewhere."""

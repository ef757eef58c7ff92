"""Views of one model's trained runs: a file per view, each with its data, its figure, its table."""

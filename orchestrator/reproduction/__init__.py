"""Every table and figure of the two papers as an experiment, with a verdict on each claim."""

"""Models compared on a data set: frame, tables, notes and figure."""

"""Looking into data and finished runs; nothing here decides what a run measures."""

"""What is tried: search spaces, studies, and the executors that run their trials."""

"""Rankings measured: scores to ranks, ranks to metrics, how high and low those can be, how sure.

Read :mod:`~orchestrator.evaluation.evaluate` first. Names are imported from their files, as several
functions are called what their file is called.
"""

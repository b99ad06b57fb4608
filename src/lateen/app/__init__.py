"""Settings, wiring and the pipeline: the only room that knows all the others."""

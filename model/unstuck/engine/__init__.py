"""The engine: settle firing, step the slow state, read it out."""

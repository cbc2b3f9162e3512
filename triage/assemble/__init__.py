"""Assemble: when a study is complete, and who works on it."""

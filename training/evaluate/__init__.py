"""Evaluate: scores and labels in, the papers' metrics with counts and clustered intervals out."""

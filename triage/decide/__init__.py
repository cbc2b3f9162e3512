"""Decide: stored logits against the operating point. Sensitivity counts normal (BI-RADS 1) as positive throughout."""

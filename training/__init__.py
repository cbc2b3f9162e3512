"""Training: from a manifest of mammograms to a model bundle that the service loads.

    data -> methods (what is learnt) -> loop (how) -> evaluate -> export -> bundle

Pixels come from `triage.prepare` and `triage.register`, statistics from `triage.decide`: one code in both worlds.
"""

"""Stage `register`: the contralateral view is brought onto the view under study.

In: two `PreparedView` of the same view position, both canonical. Out: `triage.core.study.RegisteredPair`. Affine only:
a dense warp moves away the asymmetry that the model is to see.
"""

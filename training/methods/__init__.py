"""Methods: what is learnt. Each is a `training.loop.Method` over cached images."""

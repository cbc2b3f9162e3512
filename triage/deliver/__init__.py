"""Deliver: sends results, each at least once and under the same UIDs, until the destination has them."""

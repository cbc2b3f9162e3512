"""The pages that people read: worklist and study."""

"""Data: manifests, splits by patient, readers of published layouts, cached pixels, tiles and pairs."""

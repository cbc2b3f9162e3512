"""Serve: worklist, study pages and REST over the ledger. Reads only; nothing here decides, sends or deletes."""

"""Store: the study ledger (the only truth about what was received, found and sent) and the durable files beside it."""

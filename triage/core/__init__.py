"""What the stages share: views, records of a study, findings, reason codes, errors. Standard library and numpy only."""

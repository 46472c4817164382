"""The golden rules: pure functions from facts to verdicts."""

"""Which version serves: evaluation, comparison, promotion, and their record."""

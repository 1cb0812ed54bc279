"""Outcomes that come back: days or years later, twice, out of order, or wrong."""

"""The scoring service: every answer logged, every label welcome."""

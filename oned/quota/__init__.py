"""Quotas: what can be limited, limits, and what counts against them."""

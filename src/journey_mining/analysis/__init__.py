"""Answers to an analyst's questions about an event log: each a query, and the frame that it gives."""

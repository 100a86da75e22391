"""A sample company: linked exports of four systems, drawn from a seed, with everything that is planted in them."""

from journey_mining.sample.company import SampleSummary, customers_for_events, write_company

__all__ = ["SampleSummary", "customers_for_events", "write_company"]

"""What was written where, and where each flow stands in the change feed."""

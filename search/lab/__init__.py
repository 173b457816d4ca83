"""The search lab in the admin: try configurations side by side, judge results, evaluate the judgments."""

"""The numbers, planes and surfaces that figures, reports and viewers are drawn from."""

"""The stages of a study, each one file and one function: convert, degrade, embed, score, correlate, report.

A stage takes settings, does what its folder's manifest does not already hold, and returns a tally (or tables). Stages
pass work on through folders and never import one another.
"""

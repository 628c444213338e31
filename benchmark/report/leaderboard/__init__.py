"""The leaderboard: all rows of all studies that have been run, by corpus."""

from benchmark.report.leaderboard.leaderboard import FOLDER, Leaderboard, place, read

__all__ = ["FOLDER", "Leaderboard", "place", "read"]

"""The paper: the numbers that its text cites, and published numbers beside ours."""

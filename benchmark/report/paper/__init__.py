"""The paper: the numbers that its text cites, and published figures beside ours."""

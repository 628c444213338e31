"""What all packages share: records, files, errors, seeds; without torch and pandas."""

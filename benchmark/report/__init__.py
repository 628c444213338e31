"""From committed records to tables and figures. Nothing here imports torch."""

"""What a researcher does with the model: compare treatments, run studies, report. Imported from `unstuck`."""

"""Questions that researchers ask about a circuit or about a comparison."""

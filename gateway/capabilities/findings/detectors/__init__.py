"""One module per family of values: tables of recognisers for what has a bounded shape, finders for the rest."""

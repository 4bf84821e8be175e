"""What things are: events, sessions and their fold, recommendations, bundles, names, settings, errors."""

"""Review of labels that may be wrong: a local page, its journal, and two reviewers compared."""

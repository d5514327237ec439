"""Which labels are probably wrong, by out-of-fold probabilities and outside opinions."""

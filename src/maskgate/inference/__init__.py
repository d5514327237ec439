"""Photos → faces → probabilities → predictions, without torch and without pandas.

A `Classifier` gives probabilities to pictures: a `SingleModel`, whose networks are run by backends,
or an `Ensemble` of classifiers. A `Predictor` takes photos to a classifier, and what it says of
them to `Predictions`.
"""

"""Photos → faces → probabilities → predictions, without torch and without pandas.

A `Classifier` gives probabilities for pictures: a `SingleModel`, whose networks backends run, or
an `Ensemble` of classifiers. A `Predictor` applies a classifier to photos and returns
`Predictions`.
"""

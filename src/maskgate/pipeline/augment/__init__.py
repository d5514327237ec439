"""The transforms of augmentation, for whole batches on any device.

A transform is of one of three kinds. A geometric one (`geometric.py`) is a matrix for each photo,
and neighbours in a recipe are one resampling. One of colours (`colour.py`) is a matrix for each
photo, too, and neighbours are one product. All others change pixels by themselves (`filters.py`,
`covers.py`, `rand_augment.py`).

A transform takes `random_count` uniform random numbers for each photo, from the seed of the photo's
place in the training (`draws.py`). What a photo becomes does not depend on the other photos of its
batch.
"""

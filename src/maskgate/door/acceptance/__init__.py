"""A guided check of a door on site: twenty passages, timed, and a page that concludes on it."""

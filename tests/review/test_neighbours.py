"""Who looks alike: near-duplicates first, and nobody without thumbnails."""

from maskgate.review.neighbours import COUNT, Neighbours
from maskgate.review.people import People
from maskgate.runs import RunFolder


def test_near_duplicates_come_first_and_are_marked(everybody: People, run: RunFolder) -> None:
    neighbours = Neighbours(everybody, run)
    people = everybody.table.drop_duplicates("person").set_index("person")["cluster"]
    (cluster, *_) = people[people.duplicated()].unique()
    one, other = people.index[people == cluster]
    first, *others = neighbours.of(one)
    assert (first.person, first.is_near_duplicate) == (other, True)
    assert len(others) == COUNT - 1
    assert one not in [each.person for each in others]
    assert not any(each.is_near_duplicate for each in others)
    assert everybody.table["photo"].iloc[first.row].startswith(f"{other}/normal")


def test_without_a_run_nobody_has_neighbours(everybody: People) -> None:
    assert Neighbours(everybody, None).of(next(iter(everybody.rows_by_name))) == []

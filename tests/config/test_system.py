"""Systems: what is refused and how it is told, overrides, those that ship, names shared."""

import re
from pathlib import Path

import pytest
import yaml

from maskgate.config import recipe, system
from maskgate.config.system import System
from maskgate.ensemble import combining
from maskgate.ensemble.combining import EnsembleSpec
from maskgate.errors import MaskgateError
from maskgate.model import heads

SHIPPED = sorted(system.shipped().glob("*.yaml"))
TWO = """
folds: {kind: kfold, count: 3}
members:
  - {name: one, recipe: baseline, changes: {training.epochs: 4, optimizer.lr: 5e-4}}
  - {name: two, recipe: baseline, weight: 2}
combine: soft_vote
"""


def load(content: str, *overrides: str, folder: Path) -> System:
    path = folder / "system.yaml"
    path.write_text(content, encoding="utf-8")
    return system.load(path, list(overrides))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("member: []", "unknown key member, did you mean members?"),
        ("combin: soft_vote", "unknown key combin, did you mean combine?"),
        ("members: [{name: a, recipe: s1, wieght: 2}]", "members.0.wieght, did you mean weight?"),
        ("folds: {knid: kfold}", "unknown key folds.knid, did you mean kind?"),
        ("members: []", "members: "),
        ("members: [{name: a, recipe: s1, weight: -1}]", "members.0.weight: "),
        ("members: [{name: a, recipe: s1, weight: 0}]", "members.0.weight: "),
        ("members: [{name: a, recipe: s1, weight: .inf}]", "members.0.weight: "),
        ("members: [{name: a, recipe: s1, weight: heavy}]", "members.0.weight: "),
        ("members: [{name: ../a, recipe: s1}]", "members.0.name: "),
        ("members: [{name: A b, recipe: s1}]", "members.0.name: "),
        ("members: [{name: a}]", "member a is of a recipe or of a run; name one"),
        ("members: [{name: a, recipe: s1}, {name: a, recipe: s2}]", "system: two members are call"),
        ("[1, 2]", "a system is a mapping"),
        ("members: [", "not a system in YAML"),
    ],
)
def test_a_bad_file_is_told_in_one_sentence(content: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(MaskgateError, match=re.escape(message)) as caught:
        load(content, folder=tmp_path)
    assert str(caught.value).startswith(str(tmp_path / "system.yaml"))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("members.0.recipe=baselin", "member one: baselin: no such recipe; did you mean baseline?"),
        ("training.epochs=0", "member one: .*training.epochs"),
        ("training.epoch=3", "member one: .*did you mean epochs"),
        ("mixing=[{name: mixup, probability: 1.4}]", "member one: .*mixing.0.probability"),
        ("data=[{path: more, weight: -1}]", "member one: .*data.0.weight"),
        ("members.1.changes.seed=seven", "member two: .*seed"),
    ],
)
def test_a_bad_member_is_named(override: str, message: str, tmp_path: Path) -> None:
    loaded_system = load(TWO, override, folder=tmp_path)
    with pytest.raises(MaskgateError, match=message) as caught:
        for member in loaded_system.members:
            loaded_system.recipe_of(member)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("training.epochs", "key.sub=value"),
        ("members.0.weight", "key.sub=value"),
        ("seed=[1", "not YAML"),
        ("members.5.weight=1", "no place members.5.weight"),
    ],
)
def test_bad_overrides_are_told(override: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(MaskgateError, match=re.escape(message)):
        load(TWO, override, folder=tmp_path)


def test_overrides_reach_every_member_and_the_systems_own_the_system(tmp_path: Path) -> None:
    loaded_system = load(
        TWO,
        "training.epochs=2",
        "optimizer.arguments.eps=1e-8",
        "schedule.warmup_epochs=0.5",
        "folds.seed=11",
        "members.0.weight=3",
        "combine=hard_vote",
        folder=tmp_path,
    )
    assert [member.weight for member in loaded_system.members] == [3, 2]
    assert loaded_system.combine.name == "hard_vote"
    for member in loaded_system.members:
        resolved = loaded_system.recipe_of(member)
        assert resolved.training.epochs == 2
        assert resolved.optimizer.arguments == {"eps": 1e-8}
        assert resolved.folds == loaded_system.folds
        assert (resolved.folds.count, resolved.folds.seed) == (3, 11)
    assert loaded_system.recipe_of(loaded_system.members[0]).optimizer.lr == 5e-4


def test_the_command_line_has_the_last_word(tmp_path: Path) -> None:
    head = "model.head: {name: one_attribute, of: mask}, model.head.of: age_band"
    content = TWO.replace("training.epochs: 4", head)
    loaded_system = load(content, "model.head={name: one_attribute, of: gender}", folder=tmp_path)
    assert heads.attributes(loaded_system.recipe_of(loaded_system.members[0]).model.head) == (
        "gender",
    )


def test_changes_hold_any_value(tmp_path: Path) -> None:
    content = """
members:
  - name: a
    recipe: baseline
    changes: {training.clip_norm: null, model.weights: "zoë: #1 😀.pt", data: [{path: "yes"}]}
"""
    loaded_system = load(content, folder=tmp_path)
    resolved = loaded_system.recipe_of(loaded_system.members[0])
    assert resolved.training.clip_norm is None
    assert resolved.model.weights == "zoë: #1 😀.pt"
    assert resolved.data[0].path == "yes"


def test_a_recipe_is_found_beside_the_system(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = tmp_path / "mine"
    place.mkdir()
    (place / "own.yaml").write_text("seed: 31")
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "own.yaml").write_text("seed: 32")
    monkeypatch.chdir(tmp_path / "elsewhere")
    loaded_system = load("members: [{name: a, recipe: own.yaml}]", folder=place)
    assert loaded_system.recipe_of(loaded_system.members[0]).seed == 31
    loaded_system = load("members: [{name: a, recipe: own.yaml}]", folder=tmp_path)
    assert loaded_system.recipe_of(loaded_system.members[0]).seed == 32


def test_a_written_system_is_the_same_system(tmp_path: Path) -> None:
    original = load(TWO, "training.epochs=3", folder=tmp_path)
    (tmp_path / "run").mkdir()
    original.write(
        tmp_path / "run" / "system.yaml", {m.name: original.recipe_of(m) for m in original.members}
    )
    again = system.load(tmp_path / "run" / "system.yaml", [])
    assert again.settings() == original.settings()
    assert [again.recipe_of(m) for m in again.members] == [
        original.recipe_of(m) for m in original.members
    ]
    assert (again.folds, again.combine) == (original.folds, original.combine)
    assert list(yaml.safe_load((tmp_path / "run" / "system.yaml").read_text())) == [
        "folds", "members", "combine", "adjust",
    ]  # fmt: skip


def test_the_digest_tells_systems_apart(tmp_path: Path) -> None:
    digests = {"one": "a", "two": "b"}
    before = load(TWO, folder=tmp_path).digest(digests)
    assert re.fullmatch("[0-9a-f]{8}", before)
    assert load(TWO, folder=tmp_path).digest(digests) == before
    changed = [
        load(TWO, "combine=hard_vote", folder=tmp_path).digest(digests),
        load(TWO, "members.0.weight=1.5", folder=tmp_path).digest(digests),
        load(TWO, folder=tmp_path).digest({"one": "b", "two": "b"}),
        load(TWO.replace("name: two", "name: three"), folder=tmp_path).digest(
            digests | {"three": "b"}
        ),
    ]
    assert len({before, *changed}) == 5


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_a_shipped_system_loads_and_its_members_can_be_combined(path: Path) -> None:
    shipped_system = system.load(path, [])
    recipes = [shipped_system.recipe_of(member) for member in shipped_system.members]
    combining.check(
        EnsembleSpec.from_system(shipped_system),
        [heads.attributes(each.model.head) for each in recipes],
    )
    assert {each.folds for each in recipes} == {shipped_system.folds}
    commands = [line for line in path.read_text().splitlines() if line.startswith("# maskgate")]
    name = commands[0].split()[3]
    assert system.is_system(name)
    assert system.find(name) == path


def test_a_name_that_a_recipe_and_a_system_share_is_the_recipe() -> None:
    assert not system.is_system("s1")
    assert recipe.find("s1") == recipe.shipped() / "s1.yaml"
    for name in ("systems/s1", "systems/s1.yaml"):
        assert system.is_system(name)
        assert system.find(name).resolve() == system.shipped() / "s1.yaml"
    assert system.is_system("s4")
    assert system.is_system(str(system.shipped() / "s1.yaml"))
    assert not system.is_system(str(recipe.shipped() / "s1.yaml"))


def test_a_near_miss_is_told_as_what_it_is_near_to() -> None:
    assert not system.is_system("baselin")
    assert system.is_system("s0-agn-small")
    with pytest.raises(MaskgateError, match=r"no such system; did you mean s0-agm-small\?"):
        system.find("s0-agn-small")
    with pytest.raises(MaskgateError, match=r"no such system; did you mean s3-small\?"):
        system.find("systems/s3-smal")


def test_a_file_tells_what_it_is(tmp_path: Path) -> None:
    for content, several in (("members: []", True), ("base: x\ncombine: hard_vote", True),
                             ("seed: 1", False), ("", False)):  # fmt: skip
        (tmp_path / "file.yaml").write_text(content)
        assert system.is_system(str(tmp_path / "file.yaml")) is several
    (tmp_path / "file.yaml").write_bytes(b"\xff\xd8\xff")
    assert not system.is_system(str(tmp_path / "file.yaml"))
    assert not system.is_system(str(tmp_path / "nothing.yaml"))


def test_the_system_of_a_run_names_no_recipe_elsewhere(tmp_path: Path) -> None:
    user_recipe, stored = tmp_path / "mine.yaml", tmp_path / "run" / "system.yaml"
    user_recipe.write_text("seed: 3\n")
    run_recipe = stored.parent / "recipes" / "a.yaml"
    run_recipe.parent.mkdir(parents=True)
    for name, base in (("../mine.yaml", "seed: 1"), ("recipes/a.yaml", "base: ../../mine")):
        stored.write_text(f"members: [{{name: a, recipe: {name}}}]\n")
        run_recipe.write_text(f"{base}\n")
        system.load(stored, [])
        with pytest.raises(MaskgateError, match=r"get the run again from where it comes"):
            system.load(stored, [], alone=True)
    run_recipe.write_text("seed: 1\n")
    (member,) = system.load(stored, [], alone=True).members
    assert member.recipe == str(run_recipe)

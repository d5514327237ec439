"""distillation.json: what a student keeps of its teacher's gain, and how much faster it is."""

from maskgate.runs.records.results import Figure
from maskgate.runs.records.stored import Count, File, Positive, Record


class Compared(Record):
    """A run with its score, the number of its networks, how many photos these see for one
    prediction (each network sees every test-time view), and the milliseconds of one prediction."""

    run: str
    score: Figure
    networks: Count
    passes: Count
    milliseconds: Positive


class Distillation(File):
    """A `student` against its teacher, the `ensemble`, and against a `single` model.

    Differences are of scores on the same resamples of people: `gain`, ensemble less single;
    `student_gain`, student less single; `lost`, ensemble less student. `kept` is the share of the
    gain that the student keeps; it is left out unless the gain's interval is above 0.
    """

    score_of: str
    people: Count
    single: Compared
    ensemble: Compared
    student: Compared
    gain: Figure
    student_gain: Figure
    lost: Figure
    kept: Figure | None = None
    out_of_fold: bool = False  # whether it learned the teacher's out-of-fold probabilities
    times_faster: Positive  # the student than the ensemble, on the same faces

"""nonlin mark: what students handed in, marked."""

import argparse
import os
import re
import sys
from typing import TYPE_CHECKING

from nonlin.commands.common import JOBS, Above, UsageError, add_command, check_file, path
from nonlin.typography import shown

if TYPE_CHECKING:
    from nonlin.desk.mark import Marked

SECONDS = Above(3600)


def add(commands: "argparse._SubParsersAction") -> None:
    parser = add_command(commands, "mark", run, "For lecturers: mark what students handed in.")
    parser.usage = "%(prog)s SUBMISSIONS --output FILE [options]"  # an option with several values would swallow it
    parser.add_argument(
        "submissions",
        type=path,
        metavar="SUBMISSIONS",
        help="folder or zip: as Moodle or Canvas exports it, or with a folder, a zip or a notebook for each student",
    )
    parser.add_argument("--output", type=path, required=True, metavar="FILE", help="the table of marks, a CSV file")
    parser.add_argument("--report", type=path, metavar="FILE", help="one page for the lecturer, an HTML file")
    parser.add_argument(
        "--lessons",
        "--lesson",
        dest="lesson",
        nargs="+",
        metavar="LESSON",
        help='what to mark, "03" (default: what most students handed in)',
    )
    parser.add_argument(
        "--format", choices=("plain", "moodle", "canvas"), default="plain", help="of the table (default: plain)"
    )
    parser.add_argument(
        "--students",
        type=path,
        metavar="FILE",
        help="the list of students that Moodle or Canvas exports; the table has its rows, filled in",
    )
    parser.add_argument(
        "--weights",
        nargs="+",
        type=_weight,
        metavar="EXERCISE=POINTS",
        help="points, as in 03.1=2 (default: as many as it has stars)",
    )
    parser.add_argument("--jobs", type=JOBS, metavar="N", help="submissions at one time (default: one per processor)")
    parser.add_argument(
        "--seconds",
        type=SECONDS,
        default=20.0,
        help="of computing for each answer, three times that by the clock (default: 20)",
    )


def _weight(text: str) -> tuple[str, float]:
    if not (found := re.fullmatch(r"(\d\d\.\d+)=(\d{1,4}(?:\.\d{1,3})?)", text)):
        raise argparse.ArgumentTypeError(f"must be like 03.1=2, not {shown(text[:40])!r}")
    return found[1], float(found[2])


def run(arguments: argparse.Namespace) -> None:
    place, output, report = arguments.submissions, arguments.output, arguments.report
    for file, option in ((output, "--output"), (report, "--report")):
        if file:
            check_file(file, option)
            for read in filter(None, (place, arguments.students)):
                if read.resolve() in (file.resolve(), *file.resolve().parents):
                    raise UsageError(f"{file} would be written into {read}, which is read: choose another {option}")
    if report and report.resolve() == output.resolve():
        raise UsageError(f"--output and --report both name {output}: choose another file for one of them")
    chosen = arguments.weights or []
    if len({number for number, _ in chosen}) < len(chosen):
        raise UsageError("--weights names an exercise twice: give each its points once")
    from pathlib import Path

    from nonlin.desk import mark, mark_tables
    from nonlin.desk.hand_out import package_without_solutions
    from nonlin.desk.mark_box import Limits, box, protections
    from nonlin.desk.mark_page import page
    from nonlin.desk.submissions import submissions
    from nonlin.files import write_whole

    found = submissions(place)
    lessons = arguments.lesson or mark.lessons_in(found)
    exercises = mark.exercises_of(lessons)
    weights = mark_tables.weights_of(exercises, dict(chosen))
    roll = mark_tables.read_roll(arguments.students, arguments.format) if arguments.students else None
    limits = Limits(cpu=max(1, round(arguments.seconds)), wall=3 * arguments.seconds)
    jobs = min(arguments.jobs or _processors(), len(found))
    store = mark.Store(output.with_name(f"{output.name}.part"), mark.course_version(exercises, limits))
    hidden = [place, output.parent, *([report.parent] if report else [])]
    with package_without_solutions(lessons) as package, box(package, jobs, hidden) as where:
        protected = protections(where)
        print(protected[0], file=sys.stderr)
        marker = mark.Marker(where, exercises, limits)
        marked = mark.mark_all(marker, found, jobs, store, _tell)
    title = f"Lesson {', '.join(lessons)}"
    write_whole(output, mark_tables.table(marked, weights, arguments.format, title=title, roll=roll))
    if report:
        write_whole(report, page(marked, exercises, weights, f"{title}: what was handed in", protected))
    store.path.unlink(missing_ok=True)
    for student in mark_tables.missing(marked, roll) if roll else ():
        print(f"Not on the list: {shown(student.name)} ({shown(student.number)})", file=sys.stderr)
    for file in filter(None, (output, report)):
        print(shown(str(Path(file))))


def _processors() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _tell(marked: "Marked") -> None:
    """One line for each submission that is finished, where it can be read without being in the output."""
    states = ", ".join(f"{number} {mark.state}" for number, mark in marked.marks.items())
    print(f"{marked.student.name}: {states}", file=sys.stderr, flush=True)

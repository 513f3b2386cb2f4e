"""nonlin bench-training: the speed of training."""

import argparse

from nonlin.commands.common import SECONDS, THREADS, Whole, add_command, add_data_option, load_images


def add(commands: "argparse._SubParsersAction") -> None:
    parser = add_command(
        commands,
        "bench-training",
        run,
        "Training speed: the loop of the usual tutorial, ours, our network, and bfloat16, side by side.",
    )
    add_data_option(parser)
    parser.add_argument("--rounds", type=Whole(2, 1000), default=5, help="that count (default: 5)")
    parser.add_argument(
        "--convolutions", type=Whole(1, 10), default=2, help="in each block of the usual network (default: 2)"
    )
    parser.add_argument("--threads", type=THREADS, default=1, help="that torch may use (default: 1)")
    parser.add_argument(
        "--seconds", type=SECONDS, help="also the test accuracy of each after so much time of computing"
    )


def run(arguments: argparse.Namespace) -> None:
    from nonlin.bench import loop

    dataset = load_images(arguments.data)
    measured = loop.throughput(
        dataset,
        rounds=arguments.rounds,
        convolutions=arguments.convolutions,
        number_of_threads=arguments.threads,
    )
    print(loop.report(measured), flush=True)
    if arguments.seconds:
        reached = loop.accuracies(dataset, measured, seconds=arguments.seconds)
        print(loop.report(measured, reached))

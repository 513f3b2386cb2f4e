"""The command line, a file for each command. What is heavy is imported when one runs: ``--help`` comes at once."""

from nonlin.commands import (
    before_after,
    bench,
    bench_training,
    claims,
    data,
    gradients,
    guide,
    kernels,
    plot,
    reference,
    refresh,
    report,
    sweep,
    table,
    tensorboard,
    train,
)

COMMANDS = (
    before_after,
    train,
    sweep,
    report,
    reference,
    gradients,
    data,
    plot,
    table,
    claims,
    guide,
    kernels,
    bench,
    bench_training,
    tensorboard,
    refresh,
)

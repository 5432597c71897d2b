"""Starting ranks and starting them again: `gpunn launch` in a function.

One launcher a machine. It keeps the ranks' store and is the one process that outlives them, so that it can say what
happened, and go on.
"""

from __future__ import annotations

import shlex

from gpunn.dist.launch_starts import Plan
from gpunn.dist.launch_watch import Stops, Watch, name_of
from gpunn.terminal import say


def launch(plan: Plan) -> int:
    """Start the ranks, again after a death as often as the plan says, and return the exit status.

    That of the first rank that ended badly, 128 + its number for a signal; where the launcher is asked to end, that of
    its ranks, which are asked in turn.
    """
    command, values = plan.command, {}
    with Stops() as stops:
        for restart in range(plan.restarts + 1):
            outcome = Watch(plan, command, restart, stops).run()
            values |= outcome.values  # those of before, where this start has not come as far
            command = plan.after(values)
            what = "go on" if {"run", "checkpoint"} & values.keys() else "start again"
            advice = f"{what} with: {shlex.join(['gpunn', 'launch', *plan.options, *command])}"
            saved = (
                f"the last checkpoint is {values['checkpoint']}" if "checkpoint" in values else "there is no checkpoint"
            )
            if not outcome.words or stops.came:
                break
            if restart < plan.restarts:
                say(f"gpunn: launch: {outcome.words}; {saved}; restart {restart + 1} of {plan.restarts}")
            else:
                say(f"gpunn: error: launch: {outcome.words}; {saved}; {advice}")
    if stops.came and outcome.status:
        say(f"gpunn: launch: ended by {name_of(stops.came[0])}; {advice}")
    return outcome.status

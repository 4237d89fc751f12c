"""Scenarios with a client library, in a process of its own: `python -m tests.clients.runner`.

A line on the input names what to run, `folder module function endpoint`; the scenario gets what `connect` of the
folder's client.py makes of the endpoint. The answer is a line of JSON: {"error": text}, the text empty when all is
well. What libraries print goes to the error output.
"""

import importlib
import json
import os
import sys
import traceback


def run(folder: str, module: str, function: str, endpoint: str) -> str:
    """The trace of what went wrong, with the scenario's values; empty when all is well."""
    try:
        client = importlib.import_module(f"tests.clients.{folder}.client")
        scenarios = importlib.import_module(f"tests.clients.{folder}.{module}")
        getattr(scenarios, function)(client.connect(endpoint))
    except Exception as error:  # whatever it is, it is the result
        return traceback.format_exc() + _values(error)
    return ""


def _values(error: Exception) -> str:
    """The local values of the scenario, a line each."""
    frames = [frame for frame, _ in traceback.walk_tb(error.__traceback__) if "/with_" in frame.f_code.co_filename]
    values = frames[0].f_locals if frames else {}
    return "".join(f"    {name} = {value!r:.300}\n" for name, value in values.items())


def main() -> None:
    """Answer until the input ends."""
    with os.fdopen(os.dup(1), "w") as answers:
        os.dup2(2, 1)
        for line in sys.stdin:
            answers.write(json.dumps({"error": run(*line.split())}) + "\n")
            answers.flush()


if __name__ == "__main__":
    main()

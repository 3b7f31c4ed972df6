"""Runs the cases of test/vectors/client/executions.json through the Python client: one JSON line in, one out."""
import json
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../../clients/python"))
sys.dont_write_bytecode = True
import attestd  # noqa: E402


class AbortError(Exception):
    pass


RAISES = {"TypeError": TypeError, "TimeoutError": TimeoutError, "AbortError": AbortError}


def drive(case):
    link, real = case["link"], case["socket"]

    def reach(there):
        client.close()
        if os.path.islink(link):
            os.unlink(link)
        if there:
            os.symlink(real, link)

    faults = []
    more = {"on_unavailable": "spool", "spool": case["spool"]} if case.get("spools") else {}
    client = attestd.connect("python-test/1", socket=link, on_fault=lambda e: faults.append(str(e)), **more)
    work = case.get("work", {})
    result = {"raised": None, "worked": False}
    run = None
    reach(case["daemon"]["begin"])
    try:
        run = client.execution(case["action"], **case.get("spec", {}))
        with run:
            result["worked"] = True
            for name, value in work.get("outputs", {}).items():
                run.output(name, value)
            for name, value in work.get("plainOutputs", {}).items():
                run.output(name, value, plain=True)
            if "artefact" in work:
                run.artefact(*work["artefact"])
            if "effect" in work:
                run.effect(work["effect"])
            reach(case["daemon"]["end"])
            if "throws" in work:
                kind, text = work["throws"]
                raise RAISES[kind](text)
    except attestd.AttestdError as e:
        result["raised"] = e.code
    except Exception as e:
        result["raised"] = type(e).__name__
    result["files"] = sorted(
        oct(os.stat(os.path.join(case["spool"], f)).st_mode & 0o777)
        for f in (os.listdir(case["spool"]) if os.path.isdir(case["spool"]) else [])
    )
    result["attempt"], result["receipt"] = (run.attempt, run.receipt) if run else ({}, {})
    if case.get("flush", True):
        reach(True)
        result["flushed"] = client.flush()["recorded"]
    client.close()
    result["faults"] = faults
    return result


for text in sys.stdin:
    print(json.dumps(drive(json.loads(text))), flush=True)

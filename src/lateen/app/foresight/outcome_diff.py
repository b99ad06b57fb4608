"""What a request did, beside what was said of it beforehand."""

from lateen.base.jsonvalue import JsonView

_WORDS = {"none": "plaintext", "tls": "TLS", "mtls": "mutual TLS", "": "nothing sent"}


def surprises(answer: JsonView, told: JsonView) -> list[str] | None:
    """Return in words what came otherwise than foretold, against the branch that is nearest; none
    if it came as foretold. None where it was said that it cannot be said.

    `answer` is the document of a request that was sent, `told` that of its explanation.
    """
    outcomes = [branch["outcome"] for branch in told["branches"]]
    every = [_surprises(answer, each) for each in outcomes if not each["unknown"]]
    nearest = min(every, key=len, default=None)
    if nearest and len(every) < len(outcomes):
        return None
    return nearest


def _surprises(answer: JsonView, outcome: JsonView) -> list[str]:
    found = []
    status, verdict = answer["response"]["status"], answer["verdict"]
    wanted = outcome["status"]
    open_status = wanted is None and outcome["reached"] and not outcome["error"]
    if status != wanted and not open_status:
        found.append(f"{_came(wanted)} was foretold, {_came(status)} came")
    elif verdict["code"] != outcome["code"] and not open_status:
        found.append(f"{outcome['code']} was foretold, it is {verdict['code']}")
    said = {leg["name"]: leg["tls"] for leg in outcome["legs"]}
    for leg in answer["legs"]:
        before = said.get(leg["name"])
        if before is not None and before != leg["tls"]:
            was, is_ = _WORDS.get(before, before), _WORDS.get(leg["tls"], leg["tls"])
            found.append(f"{leg['name']}: {was} was foretold, it is {is_}")
    return found


def _came(status: int | None) -> str:
    return "no answer" if status is None else str(status)

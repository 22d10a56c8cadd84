package gateway.answer

# The verdict on an answer: it goes to the caller if the intent was allowed, and reveals what the classes of data grant.

import data.gateway.disclosure

default verdict := {
	"outcome": "deny",
	"reasons": [{"rule": "answer.default", "message": "no rule allows this"}],
}

verdict := {"outcome": "allow", "obligations": {"reveal": disclosure.grants}} if {
	input.intent_verdict.outcome == "allow"
}

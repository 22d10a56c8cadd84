# METADATA
# scope: package
# schemas:
#   - input: schema.answer
# custom:
#   input: gateway.input/v1
package gateway.answer

# The verdict on an answer: it goes to the caller if the intent was allowed and nothing speaks against it, and reveals what the classes of data grant.
# Where a route has reviewers, an answer of low confidence is left to them.

import data.gateway.disclosure

default verdict := {
	"outcome": "deny",
	"reasons": [{"rule": "answer.default", "message": "no rule allows this"}],
}

verdict := {"outcome": "deny", "reasons": reasons} if count(reasons) > 0

verdict := {"outcome": "escalate", "reasons": [doubt], "obligations": {"reveal": disclosure.grants, "approval": terms}} if {
	left_to_a_person
	count(reasons) == 0
}

verdict := {"outcome": "allow", "obligations": {"reveal": disclosure.grants}} if {
	input.intent_verdict.outcome == "allow"
	not left_to_a_person
	count(reasons) == 0
}

reasons contains reason("answer.schema", "the answer breaks its schema, and so did every repair and fallback") if {
	input.answer.schema_valid == false
}

reasons contains doubt if terms == null

default left_to_a_person := false

left_to_a_person if {
	input.intent_verdict.outcome == "allow"
	terms != null
	doubt
	count(reviews) == 0
}

# A person's review holds for this very draft alone, accepted or edited.
reviews := [approval |
	some approval in input.approvals
	approval.hook == "answer"
]

# data.review: on which terms a person reviews; a route that it does not name has no reviewers.
terms := object.get(data.review, route, null)

# Without a signal the confidence is null, which Rego orders below every number: only a number can be too low.
doubt := reason("answer.confidence", message) if {
	is_number(input.answer.confidence)
	input.answer.confidence < least_confidence
	signals := concat(", ", [name | some name, _ in object.get(input, ["answer", "signals"], {})])
	message := sprintf("confidence in the answer is %v and has to be %v on this route, judging by: %v", [input.answer.confidence, least_confidence, signals])
}

# data.confidence: the tenant's own limit for the route, else the route's, else the default.
least_confidence := object.get(data.confidence, ["tenants", tenant, route], object.get(data.confidence, ["routes", route], data.confidence.default))

tenant := object.get(input, ["subject", "tenant"], "")

route := object.get(input, ["request", "route"], "")

reason(rule, message) := {"rule": rule, "message": message}

# METADATA
# scope: package
# schemas:
#   - input: schema.answer
# custom:
#   input: gateway.input/v1
package gateway.answer

# Low confidence is refused, by limits of the route. Without a signal the confidence is null, which Rego orders below every number: only a number can be too low.

default verdict := {"outcome": "deny", "reasons": [{"rule": "answer.default", "message": "no rule allows this"}]}

verdict := {"outcome": "allow"} if {
	input.intent_verdict.outcome == "allow"
	count(reasons) == 0
}

verdict := {"outcome": "deny", "reasons": reasons} if count(reasons) > 0

reasons contains {"rule": "confidence.low", "message": sprintf("confidence is %v and has to be %v", [confidence, limit.least])} if {
	is_number(confidence)
	confidence < limit.least
}

# Where a route must have a score, none is as good as none at all.
reasons contains {"rule": "confidence.none", "message": "nobody knows how sure this answer is, and this route wants to know"} if {
	limit.required
	not is_number(confidence)
}

confidence := object.get(input, ["answer", "confidence"], null)

limit := object.get(data.confidence.routes, object.get(input, ["request", "route"], ""), data.confidence.default)

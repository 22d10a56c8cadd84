# METADATA
# scope: package
# schemas:
#   - input: schema.answer
# custom:
#   input: gateway.input/v1
package gateway.answer

# An answer of low confidence is reviewed: a person accepts it, edits it or refuses it. Nobody's time is spent on what is refused anyway.

default verdict := {"outcome": "deny", "reasons": [{"rule": "answer.default", "message": "no rule allows this"}]}

verdict := {"outcome": "allow"} if {
	input.intent_verdict.outcome == "allow"
	not doubtful
}

verdict := {"outcome": "escalate", "reasons": [reason], "obligations": {"approval": terms, "reveal": {"person": data.review.shown}}} if {
	input.intent_verdict.outcome == "allow"
	doubtful
}

terms := {"mode": "review", "queue": data.review.queue, "expires_in_s": data.review.expires_in_s, "on_expiry": "refuse"}

reason := {"rule": "review.confidence", "message": sprintf("confidence is %v and has to be %v", [input.answer.confidence, least])}

default doubtful := false

# A person's own words are not doubted, nor is what a person let go: an approval is for this very draft.
doubtful if {
	is_number(input.answer.confidence)
	input.answer.confidence < least
	object.get(input, ["answer", "source"], "model") != "person"
	count([approval | some approval in input.approvals; approval.hook == "answer"]) == 0
}

least := object.get(data.review.routes, object.get(input, ["request", "route"], ""), 0)

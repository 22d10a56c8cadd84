# METADATA
# scope: package
# schemas:
#   - input: schema.answer
# custom:
#   input: gateway.input/v1
package gateway.answer

# Every answer is labelled with who gave it; the route's last resort, which no model wrote, is for support alone.

default verdict := {"outcome": "deny", "reasons": [{"rule": "answer.default", "message": "no rule allows this"}]}

verdict := {"outcome": "allow", "obligations": {"labels": {"answered_by": answered_by}}} if {
	input.intent_verdict.outcome == "allow"
	not refused
}

verdict := {"outcome": "deny", "reasons": [{"rule": "last_resort.team", "message": "no model could be reached; please try again later"}]} if refused

refused if {
	answered_by == "last_resort"
	not "support" in object.get(input, ["subject", "teams"], [])
}

answered_by := "last_resort" if {
	input.answer.source == "gateway"
} else := "fallback" if {
	input.answer.fallback == true
} else := "first_choice"

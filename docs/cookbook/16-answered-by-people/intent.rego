# METADATA
# scope: package
# schemas:
#   - input: schema.intent
# custom:
#   input: gateway.input/v1
package gateway.intent

# On some routes a person answers in the model's place: no model is called.

default verdict := {"outcome": "deny", "reasons": [{"rule": "intent.default", "message": "no rule allows this"}]}

verdict := {"outcome": "allow"} if {
	input.subject.tenant
	not waits
}

verdict := {"outcome": "escalate", "reasons": [reason], "obligations": {"approval": terms, "reveal": {"person": ["*"]}}} if {
	input.subject.tenant
	waits
}

reason := {"rule": "people.answer", "message": "a person answers what is asked here"}

terms := {"mode": "answer", "queue": data.people[input.request.route], "on_expiry": "refuse"}

default waits := false

waits if {
	data.people[input.request.route]
	count(answers) == 0
}

answers := [approval |
	some approval in input.approvals
	approval.mode == "answer"
]

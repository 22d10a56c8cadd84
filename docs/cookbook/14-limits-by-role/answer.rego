# METADATA
# scope: package
# schemas:
#   - input: schema.answer
# custom:
#   input: gateway.input/v1
package gateway.answer

# Who may approve how much: the larger the payment, the higher the role that it needs, and the queue that it waits in.

import data.gateway.payment_calls

default verdict := {"outcome": "deny", "reasons": [{"rule": "answer.default", "message": "no rule allows this"}]}

verdict := {"outcome": "allow"} if {
	input.intent_verdict.outcome == "allow"
	largest <= covered
}

verdict := {"outcome": "escalate", "reasons": [reason], "obligations": {"approval": terms}} if {
	input.intent_verdict.outcome == "allow"
	largest > covered
	count(steps) > 0
}

verdict := {"outcome": "deny", "reasons": [{"rule": "payments.nobody", "message": "nobody may approve a payment of this amount"}]} if {
	input.intent_verdict.outcome == "allow"
	largest > covered
	count(steps) == 0
}

reason := {"rule": "payments.role", "message": sprintf("a payment of this amount needs a person with the role %v", [steps[0].role])}

terms := {"mode": "review", "queue": steps[0].queue, "distinct_from": ["requester", "reviewers"]}

# The steps of the ladder, the lowest first, on which the largest payment can be approved.
steps := [step |
	some step in data.payments.ladder
	largest <= step.limit
]

# An amount that nobody can tell is more than any.
default largest := 1000000000000000

largest := max(array.concat([0], payment_calls.amounts)) if not null in payment_calls.amounts

# What needs nobody, or the most that somebody may approve who approved this very draft.
covered := max({data.payments.alone} | {step.limit |
	some step in data.payments.ladder
	some approval in input.approvals
	approval.hook == "answer"
	step.role in approval.roles
})

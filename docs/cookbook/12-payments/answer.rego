# METADATA
# scope: package
# schemas:
#   - input: schema.answer
# custom:
#   input: gateway.input/v1
package gateway.answer

# A payment over the limit needs a person with a role. What the model wants to do stands in its tool calls, so streams are held back until they are complete.

import data.gateway.payment_calls

default verdict := {"outcome": "deny", "reasons": [{"rule": "answer.default", "message": "no rule allows this"}]}

verdict := {"outcome": "allow"} if {
	input.intent_verdict.outcome == "allow"
	count(reasons) == 0
}

verdict := {"outcome": "escalate", "reasons": reasons, "obligations": {"approval": data.payments.approval}} if {
	input.intent_verdict.outcome == "allow"
	count(reasons) > 0
	count(reviews) == 0
}

verdict := {"outcome": "deny", "reasons": reasons} if {
	count(reasons) > 0
	count(reviews) > 0
}

reasons contains {"rule": "payments.person", "message": message} if {
	not approved
	some amount in payment_calls.amounts
	is_number(amount)
	amount > data.payments.limit
	message := sprintf("a payment over %v needs a person with the role %v", [data.payments.limit, data.payments.role])
}

reasons contains {"rule": "payments.unclear", "message": sprintf("a payment without a clear amount needs a person with the role %v", [data.payments.role])} if {
	not approved
	null in payment_calls.amounts
}

# An approval is for this very draft. Only one by somebody with the role counts; where all others agreed, it is refused.
default approved := false

approved if {
	some approval in reviews
	data.payments.role in approval.roles
}

reviews := [approval |
	some approval in input.approvals
	approval.hook == "answer"
]

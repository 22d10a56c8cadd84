# METADATA
# scope: package
# schemas:
#   - input: schema.intent
# custom:
#   input: gateway.input/v1
package gateway.intent

# What goes to some routes needs two persons, neither of them the one who asks.

default verdict := {"outcome": "deny", "reasons": [{"rule": "intent.default", "message": "no rule allows this"}]}

verdict := {"outcome": "allow"} if {
	input.subject.tenant
	count(reasons) == 0
}

verdict := {"outcome": "escalate", "reasons": reasons, "obligations": {"approval": terms}} if {
	input.subject.tenant
	count(reasons) > 0
}

terms := {"mode": "approve", "queue": data.four_eyes.queue, "min_approvers": data.four_eyes.persons, "distinct_from": ["requester"]}

reasons contains {"rule": "four_eyes", "message": sprintf("%v needs the approval of %v persons", [input.request.route, data.four_eyes.persons])} if {
	input.request.route in data.four_eyes.routes
	count(approvers) < data.four_eyes.persons
}

# Counted here, too, by who they are: an approval of the requester would count for nothing, even if a queue had let it through.
approvers := {approval.by |
	some approval in input.approvals
	approval.hook == "intent"
	approval.by != object.get(input, ["subject", "id"], "")
}

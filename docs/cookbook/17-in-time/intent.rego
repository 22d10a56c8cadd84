# METADATA
# scope: package
# schemas:
#   - input: schema.intent
# custom:
#   input: gateway.input/v1
package gateway.intent

# What happens if nobody decides in time: by route, it is refused, it goes on, or it goes to others.

default verdict := {"outcome": "deny", "reasons": [{"rule": "intent.default", "message": "no rule allows this"}]}

verdict := {"outcome": "allow", "obligations": {"labels": {"approved_by": approved_by}}} if {
	input.subject.tenant
	not waits
}

verdict := {"outcome": "escalate", "reasons": [reason], "obligations": {"approval": terms}} if {
	input.subject.tenant
	waits
}

reason := {"rule": "in_time.person", "message": sprintf("a person has to approve this within %v seconds", [terms.expires_in_s])}

terms := object.get(data.in_time, object.get(input, ["request", "route"], ""), null)

default waits := false

waits if {
	terms != null
	count(approvals) == 0
}

# The id gateway.expiry stands for nobody: it counts only where the table says that it goes on without a person.
approvals := [approval |
	some approval in input.approvals
	approval.hook == "intent"
	approval.by in allowed
]

allowed := {approval.by | some approval in input.approvals} - ({"gateway.expiry"} - released)

released := {"gateway.expiry" | terms.on_expiry == "release"}

# For reports: who approved, or that nobody was there.
approved_by := concat(",", sort({approval.by | some approval in approvals})) if {
	count(approvals) > 0
} else := "nobody"

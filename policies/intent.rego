# METADATA
# scope: package
# schemas:
#   - input: schema.intent
# custom:
#   input: gateway.input/v1
package gateway.intent

# The verdict on an intent: allowed if every guard has nothing to say against it, and a person approved it where one has to.

import data.gateway.access
import data.gateway.approval
import data.gateway.disclosure
import data.gateway.limits

default verdict := {
	"outcome": "deny",
	"reasons": [{"rule": "intent.default", "message": "no rule allows this"}],
}

verdict := {"outcome": "deny", "reasons": reasons} if count(reasons) > 0

verdict := {"outcome": "escalate", "reasons": approval.needed, "obligations": escalated} if {
	count(reasons) == 0
	count(approval.needed) > 0
}

verdict := {"outcome": "allow", "obligations": obligations} if {
	count(reasons) == 0
	count(approval.needed) == 0
}

reasons := access.violations | limits.violations

obligations := object.union({"reveal": disclosure.grants, "labels": {"team": access.team}}, limits.obligations)

escalated := object.union(obligations, {"approval": approval.terms})

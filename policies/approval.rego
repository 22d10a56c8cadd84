# METADATA
# scope: package
# schemas:
#   - input: schema.intent
# custom:
#   input: gateway.input/v1
package gateway.approval

# Intents that go only if a person says so. The table is data.approval in data.yaml: a route that it does not name needs nobody.

terms := object.get(data.approval, input.request.route, null)

# A person's approval holds for this very call alone, so it is enough to count who gave one.
needed contains {"rule": "approval.route", "message": sprintf("a person has to approve what goes to %v", [input.request.route])} if {
	terms != null
	count(approvers) < object.get(terms, "min_approvers", 1)
}

approvers := {approval.by |
	some approval in input.approvals
	approval.hook == "intent"
}

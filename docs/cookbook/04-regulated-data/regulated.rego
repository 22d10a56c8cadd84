# METADATA
# scope: package
# schemas:
#   - input: schema.intent
# custom:
#   input: gateway.input/v1
package gateway.regulated

# What is regulated, and who may have it. A package of its own, so that every hook and every other rule can ask it.

class := "regulated" if {
	some finding in input.findings
	finding.category in data.regulated.categories
} else := "ordinary"

# ROUTE/TARGET, as routing calls one target of a route.
targets := [sprintf("%v/%v", [input.request.route, target]) | some target in object.get(data.regulated.targets, input.request.route, [])]

routes := {"routes": targets} if {
	class == "regulated"
} else := {}

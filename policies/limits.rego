# METADATA
# scope: package
# schemas:
#   - input: schema.intent
# custom:
#   input: gateway.input/v1
package gateway.limits

# Caps on tokens, and tools that no model may be offered. The tables are data.limits in data.yaml.

import data.gateway.access

# The most generous cap of the teams that may use the route; without one there is no cap to lower anything to, so the default applies.
cap := max(caps) if count(caps) > 0

cap := data.limits.default_max_tokens if count(caps) == 0

caps := {tokens |
	some name in access.teams_with_route
	tokens := object.get(data.limits.max_tokens, name, data.limits.default_max_tokens)
}

obligations := {"max_tokens": cap}

violations contains {"rule": "limits.tool", "message": sprintf("the tool %v is blocked", [name])} if {
	some name in offered
	name in data.limits.blocked_tools
}

# What the model is offered, also in the older form of the protocol, where functions stand beside the tools.
offered contains object.get(tool, ["function", "name"], "") if some tool in object.get(input, ["request", "tools"], [])

offered contains object.get(function, "name", "") if some function in object.get(input, ["request", "params", "functions"], [])

# METADATA
# scope: package
# schemas:
#   - input: schema.intent
# custom:
#   input: gateway.input/v1
package gateway.intent

# Caps by role: how many tokens an answer may have, and what the input of a request may cost. Of several roles the most generous counts.

default verdict := {"outcome": "deny", "reasons": [{"rule": "intent.default", "message": "no rule allows this"}]}

verdict := {"outcome": "allow", "obligations": {"max_tokens": max(caps("max_tokens"))}} if count(reasons) == 0

verdict := {"outcome": "deny", "reasons": reasons} if count(reasons) > 0

caps(name) := [data.caps[role][name] | some role in object.get(input, ["subject", "roles"], [])]

reasons contains {"rule": "caps.role", "message": "your key has no role with a cap"} if count(caps("cost_microusd")) == 0

reasons contains {"rule": "caps.cost", "message": sprintf("this would cost %v micro-USD, your role may spend %v on one request", [cost, most])} if {
	is_number(cost)
	most := max(caps("cost_microusd"))
	cost > most
}

# Rego orders null below every number: an unknown price has to be refused by name, or it is the cheapest of all.
reasons contains {"rule": "caps.price", "message": "nobody knows what this route costs"} if {
	not is_number(cost)
}

cost := object.get(input, ["request", "cost_estimate_microusd"], null)

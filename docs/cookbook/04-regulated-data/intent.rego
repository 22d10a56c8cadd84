# METADATA
# scope: package
# schemas:
#   - input: schema.intent
# custom:
#   input: gateway.input/v1
package gateway.intent

# Cards, bank accounts and social security numbers stay in the house: such a request goes to the targets of the route that the table names, else nowhere.

import data.gateway.regulated

default verdict := {"outcome": "deny", "reasons": [{"rule": "intent.default", "message": "no rule allows this"}]}

verdict := {"outcome": "allow", "obligations": object.union({"labels": {"data_class": regulated.class}}, regulated.routes)} if {
	input.request.route
	count(reasons) == 0
}

verdict := {"outcome": "deny", "reasons": reasons} if count(reasons) > 0

reasons contains {"rule": "regulated.target", "message": "this holds regulated data, and the route has no target that may see it"} if {
	regulated.class == "regulated"
	regulated.targets == []
}

# METADATA
# scope: package
# schemas:
#   - input: schema.intent
# custom:
#   input: gateway.input/v1
package gateway.intent

# Who may use which model: a table of tenants, teams and routes. What the table does not name, nobody may use.

default verdict := {"outcome": "deny", "reasons": [{"rule": "intent.default", "message": "no rule allows this"}]}

verdict := {"outcome": "allow", "obligations": {"labels": {"team": teams[0]}}} if count(teams) > 0

verdict := {"outcome": "deny", "reasons": [{"rule": "models.team", "message": message}]} if {
	count(teams) == 0
	message := sprintf("none of your teams may use %v; ask the owner of the table for it", [input.request.route])
}

# The teams of the key that have the route, in the key's order.
teams := [team |
	some team in input.subject.teams
	input.request.route in object.get(data.models, [input.subject.tenant, team], [])
]

# METADATA
# scope: package
# schemas:
#   - input: schema.intent
# custom:
#   input: gateway.input/v1
package gateway.access

# Which team may use which route. The table is data.teams in data.yaml; a tenant or team that it does not name may use nothing.

tenant_teams := object.get(data.teams, input.subject.tenant, {})

# The first team of the key that has the route; it labels the intent for reports.
default team := "none"

team := teams_with_route[0] if count(teams_with_route) > 0

teams_with_route := [name |
	some name in input.subject.teams
	input.request.route in object.get(tenant_teams, [name, "routes"], [])
]

violations contains reason("access.team", "your key belongs to no team that this gateway knows; ask for one that does") if {
	known_teams == []
}

violations contains reason("access.route", sprintf("none of your teams may use the route %v", [input.request.route])) if {
	known_teams != []
	teams_with_route == []
}

known_teams := [name |
	some name in input.subject.teams
	object.get(tenant_teams, name, null) != null
]

reason(rule, message) := {"rule": rule, "message": message}

# METADATA
# scope: package
# schemas:
#   - input: schema.intent
# custom:
#   input: gateway.input/v1
package gateway.intent

# Tools by name: some no model may be offered, some only by callers with a role.

default verdict := {"outcome": "deny", "reasons": [{"rule": "intent.default", "message": "no rule allows this"}]}

verdict := {"outcome": "allow"} if {
	input.subject.tenant
	count(reasons) == 0
}

verdict := {"outcome": "deny", "reasons": reasons} if count(reasons) > 0

# What is offered, also in the older form of the protocol, where functions stand beside the tools. Without a name there is nothing to judge by.
names := of_tools | of_functions

of_tools := {object.get(tool, ["function", "name"], "without a name") | some tool in object.get(input, ["request", "tools"], [])}

of_functions := {object.get(function, "name", "without a name") |
	some function in object.get(input, ["request", "params", "functions"], [])
}

reasons contains {"rule": "tools.blocked", "message": sprintf("no model may be offered the tool %v", [name])} if {
	some name in (names & blocked)
}

reasons contains {"rule": "tools.prefix", "message": sprintf("no model may be offered tools like %v", [name])} if {
	some name in names
	strings.any_prefix_match(name, data.tools.blocked_prefixes)
}

reasons contains {"rule": "tools.role", "message": sprintf("the tool %v needs the role %v", [name, role])} if {
	some name in names
	role := data.tools.needs_role[name]
	not role in object.get(input, ["subject", "roles"], [])
}

blocked := {name | some name in data.tools.blocked} | {"without a name"}

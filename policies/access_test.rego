package gateway.access_test

import data.gateway.access

key(tenant, teams, route) := {"subject": {"tenant": tenant, "teams": teams}, "request": {"route": route}}

rules(found) := {violation.rule | some violation in found}

test_support_may_use_the_everyday_assistant if {
	access.violations == set() with input as key("acme", ["support"], "assistant")
}

test_support_may_not_use_the_large_assistant if {
	rules(access.violations) == {"access.route"} with input as key("acme", ["support"], "assistant-large")
}

test_the_refusal_names_the_route if {
	some violation in access.violations with input as key("acme", ["support"], "assistant-large")
	violation.message == "none of your teams may use the route assistant-large"
}

test_research_may_use_the_large_assistant if {
	access.violations == set() with input as key("acme", ["research"], "assistant-large")
}

test_one_of_several_teams_is_enough if {
	access.violations == set() with input as key("acme", ["support", "research"], "assistant-large")
}

test_the_team_with_the_route_labels_the_intent if {
	access.team == "research" with input as key("acme", ["support", "research"], "assistant-large")
}

test_a_key_without_a_team_that_has_the_route_is_labelled_so if {
	access.team == "none" with input as key("acme", ["sales"], "assistant")
}

test_an_unknown_team_is_refused if {
	rules(access.violations) == {"access.team"} with input as key("acme", ["sales"], "assistant")
}

test_a_key_without_a_team_is_refused if {
	rules(access.violations) == {"access.team"} with input as key("acme", [], "assistant")
}

test_an_unknown_tenant_is_refused if {
	rules(access.violations) == {"access.team"} with input as key("initech", ["support"], "assistant")
}

test_an_empty_table_refuses_everybody if {
	rules(access.violations) == {"access.team"} with input as key("acme", ["support"], "assistant") with data.teams as {}
}

test_a_team_without_routes_is_refused if {
	found := access.violations with input as key("acme", ["support"], "assistant") with data.teams as {"acme": {"support": {}}}
	rules(found) == {"access.route"}
}

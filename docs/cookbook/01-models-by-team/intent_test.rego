package gateway.intent_test

import data.gateway.intent

of(tenant, teams, route) := {"subject": {"tenant": tenant, "teams": teams}, "request": {"route": route}}

test_a_team_uses_what_its_row_names if {
	verdict := intent.verdict with input as of("acme", ["sales", "research"], "assistant-large")
	verdict == {"outcome": "allow", "obligations": {"labels": {"team": "research"}}}
}

test_the_refusal_names_the_route if {
	verdict := intent.verdict with input as of("acme", ["support"], "assistant-large")
	verdict.outcome == "deny"
	verdict.reasons[0].message == "none of your teams may use assistant-large; ask the owner of the table for it"
}

test_another_tenants_row_counts_for_nothing if {
	verdict := intent.verdict with input as of("globex", ["research"], "assistant-large")
	verdict.reasons[0].rule == "models.team"
}

test_who_says_nothing_gets_nothing if {
	verdict := intent.verdict with input as {}
	verdict.outcome == "deny"
}

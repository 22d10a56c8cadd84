package gateway.intent_test

import data.gateway.intent

test_the_route_of_the_table_has_its_schema if {
	verdict := intent.verdict with input as {"subject": {"tenant": "acme"}, "request": {"route": "assistant"}}
	verdict == {"outcome": "allow", "obligations": {"require_schema": "order"}}
}

test_other_routes_have_none if {
	verdict := intent.verdict with input as {"subject": {"tenant": "acme"}, "request": {"route": "assistant-large"}}
	verdict == {"outcome": "allow", "obligations": {}}
}

test_nobody_in_particular_may_not_ask if {
	verdict := intent.verdict with input as {}
	verdict.outcome == "deny"
}

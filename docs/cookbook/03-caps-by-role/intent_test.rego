package gateway.intent_test

import data.gateway.intent

of(roles, cost) := {"subject": {"roles": roles}, "request": {"cost_estimate_microusd": cost}}

rules(given) := found if found := {reason.rule | some reason in intent.verdict.reasons} with input as given

test_a_role_has_its_cap if {
	verdict := intent.verdict with input as of(["user"], 200)
	verdict == {"outcome": "allow", "obligations": {"max_tokens": 512}}
}

test_the_most_generous_role_counts if {
	verdict := intent.verdict with input as of(["user", "guest", "analyst"], 49999)
	verdict.obligations.max_tokens == 4096
}

test_what_costs_more_is_refused if {
	verdict := intent.verdict with input as of(["user"], 201)
	some reason in verdict.reasons
	reason.message == "this would cost 201 micro-USD, your role may spend 200 on one request"
}

test_an_unknown_price_is_not_a_low_one if {
	rules(of(["analyst"], null)) == {"caps.price"}
}

test_no_role_is_no_leave if {
	rules(of([], 1)) == {"caps.role"}
	rules({}) == {"caps.role", "caps.price"}
}

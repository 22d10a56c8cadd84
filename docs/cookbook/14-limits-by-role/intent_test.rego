package gateway.intent_test

import data.gateway.intent

test_every_tenant_may_ask if {
	verdict := intent.verdict with input as {"subject": {"tenant": "acme"}}
	verdict.outcome == "allow"
}

test_nobody_in_particular_may_not if {
	verdict := intent.verdict with input as {}
	verdict.outcome == "deny"
}

package gateway.intent_test

import data.gateway.intent

with_findings(route, categories) := {
	"request": {"route": route},
	"findings": [{"category": category, "count": 1, "where": "messages[0].content", "origin": "caller"} | some category in categories],
}

test_ordinary_requests_go_anywhere if {
	verdict := intent.verdict with input as with_findings("assistant", ["EMAIL_ADDRESS"])
	verdict == {"outcome": "allow", "obligations": {"labels": {"data_class": "ordinary"}}}
}

test_one_card_keeps_the_request_in_the_house if {
	verdict := intent.verdict with input as with_findings("assistant", ["EMAIL_ADDRESS", "CREDIT_CARD"])
	verdict == {"outcome": "allow", "obligations": {"labels": {"data_class": "regulated"}, "routes": ["assistant/onprem"]}}
}

test_a_route_without_a_house_refuses if {
	verdict := intent.verdict with input as with_findings("assistant-large", ["US_SSN"])
	verdict.outcome == "deny"
	{reason.rule | some reason in verdict.reasons} == {"regulated.target"}
}

test_what_says_nothing_is_refused if {
	verdict := intent.verdict with input as {}
	verdict.outcome == "deny"
}

package gateway.answer_test

import data.gateway.answer

test_the_answer_to_an_allowed_intent_goes_out if {
	verdict := answer.verdict with input as {"intent_verdict": {"outcome": "allow"}}
	verdict.outcome == "allow"
}

test_no_answer_goes_out_without_an_allowed_intent if {
	verdict := answer.verdict with input as {}
	verdict.outcome == "deny"
}

package gateway.answer_test

import data.gateway.answer

with_schema(valid) := {"intent_verdict": {"outcome": "allow"}, "answer": {"schema_valid": valid}}

test_an_answer_that_has_its_form_goes_out if {
	every valid in [true, null] {
		verdict := answer.verdict with input as with_schema(valid)
		verdict.outcome == "allow"
	}
}

test_one_that_has_not_is_refused if {
	verdict := answer.verdict with input as with_schema(false)
	verdict.reasons[0].rule == "schema.broken"
}

test_no_answer_is_no_good_answer if {
	verdict := answer.verdict with input as {"intent_verdict": {"outcome": "allow"}}
	verdict.outcome == "deny"
}

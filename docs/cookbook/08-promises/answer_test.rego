package gateway.answer_test

import data.gateway.answer

saying(text) := {"intent_verdict": {"outcome": "allow"}, "answer": {"text": text}}

messages(text) := found if found := {reason.message | some reason in answer.verdict.reasons} with input as saying(text)

test_an_answer_without_a_promise_goes_out if {
	verdict := answer.verdict with input as saying("Refunds are decided by our staff.")
	verdict == {"outcome": "allow"}
}

test_a_promise_is_refused_by_its_kind if {
	messages("Of course WE WILL REFUND it, and we guarantee that.") == {"the answer makes a promise: refund", "the answer makes a promise: legal"}
}

test_a_date_is_a_promise if {
	messages("You have it by 2026-03-01.") == {"the answer promises a date"}
}

test_no_answer_goes_out_without_an_allowed_intent if {
	verdict := answer.verdict with input as {"answer": {"text": "Hello."}}
	verdict.outcome == "deny"
}

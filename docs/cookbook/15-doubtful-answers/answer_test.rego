package gateway.answer_test

import data.gateway.answer

of(confidence, more) := object.union(
	{"intent_verdict": {"outcome": "allow"}, "request": {"route": "assistant"}, "answer": {"confidence": confidence, "source": "model"}, "approvals": []},
	more,
)

test_a_doubtful_answer_is_reviewed if {
	verdict := answer.verdict with input as of(0.2, {})
	verdict.outcome == "escalate"
	verdict.obligations.approval.mode == "review"
	verdict.obligations.reveal.person == ["EMAIL_ADDRESS"]
	{reason.message | some reason in verdict.reasons} == {"confidence is 0.2 and has to be 0.7"}
}

test_what_is_sure_enough_or_not_assessed_goes_out if {
	every confidence in [0.7, 1, null] {
		verdict := answer.verdict with input as of(confidence, {})
		verdict.outcome == "allow"
	}
}

test_what_was_accepted_or_edited_goes_out if {
	accepted := answer.verdict with input as of(0.2, {"approvals": [{"hook": "answer", "by": "key_2", "action": "accept"}]})
	accepted.outcome == "allow"
	edited := answer.verdict with input as of(0.2, {"answer": {"source": "person"}})
	edited.outcome == "allow"
}

test_other_routes_have_no_limit if {
	verdict := answer.verdict with input as of(0.2, {"request": {"route": "assistant-large"}})
	verdict.outcome == "allow"
}

test_no_answer_goes_out_without_an_allowed_intent if {
	verdict := answer.verdict with input as of(0.2, {"intent_verdict": {"outcome": "deny"}})
	verdict.outcome == "deny"
}

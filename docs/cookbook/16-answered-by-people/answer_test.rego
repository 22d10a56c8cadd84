package gateway.answer_test

import data.gateway.answer

said(route, source) := {"intent_verdict": {"outcome": "allow"}, "request": {"route": route}, "answer": {"source": source}}

test_what_a_person_wrote_goes_out if {
	verdict := answer.verdict with input as said("assistant-large", "person")
	verdict.outcome == "allow"
}

test_what_a_model_wrote_does_not if {
	verdict := answer.verdict with input as said("assistant-large", "model")
	verdict.outcome == "deny"
	{reason.rule | some reason in verdict.reasons} == {"people.only"}
}

test_models_answer_on_other_routes if {
	verdict := answer.verdict with input as said("assistant", "model")
	verdict.outcome == "allow"
}

test_no_answer_goes_out_without_an_allowed_intent if {
	verdict := answer.verdict with input as {}
	verdict.outcome == "deny"
}

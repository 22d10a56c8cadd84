package gateway.answer_test

import data.gateway.answer

given(teams, source, fallback) := {
	"subject": {"teams": teams},
	"intent_verdict": {"outcome": "allow"},
	"answer": {"source": source, "fallback": fallback},
}

label(teams, source, fallback) := found if found := answer.verdict.obligations.labels.answered_by with input as given(teams, source, fallback)

test_every_answer_is_labelled if {
	label(["sales"], "model", false) == "first_choice"
	label(["sales"], "model", true) == "fallback"
	label(["support"], "gateway", true) == "last_resort"
}

test_the_last_resort_is_for_support_alone if {
	verdict := answer.verdict with input as given(["sales"], "gateway", true)
	verdict.outcome == "deny"
	verdict.reasons[0].rule == "last_resort.team"
}

test_no_answer_goes_out_without_an_allowed_intent if {
	verdict := answer.verdict with input as {"answer": {"source": "model", "fallback": false}}
	verdict.outcome == "deny"
}

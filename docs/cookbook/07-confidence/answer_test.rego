package gateway.answer_test

import data.gateway.answer

scored(route, confidence) := {"intent_verdict": {"outcome": "allow"}, "request": {"route": route}, "answer": {"confidence": confidence}}

rules(given) := {reason.rule | some reason in intended.reasons} if {
	intended := object.union({"reasons": []}, answer.verdict) with input as given
}

test_the_limit_itself_is_enough if {
	rules(scored("assistant", 0.7)) == set()
	rules(scored("assistant-large", 0.2)) == set()
}

test_less_is_too_little_and_is_told if {
	verdict := answer.verdict with input as scored("assistant", 0.31)
	some reason in verdict.reasons
	reason.message == "confidence is 0.31 and has to be 0.7"
	rules(scored("assistant-large", 0.19)) == {"confidence.low"}
}

test_no_score_is_not_a_low_score if {
	rules(scored("assistant-large", null)) == set()
}

test_a_route_can_insist_on_a_score if {
	rules(scored("assistant", null)) == {"confidence.none"}
}

test_no_answer_goes_out_without_an_allowed_intent if {
	verdict := answer.verdict with input as {}
	verdict.outcome == "deny"
}
